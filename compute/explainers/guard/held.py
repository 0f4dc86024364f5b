"""Namespaces as they were: names, and the very objects that they stood for."""

from collections import OrderedDict
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class Held:
    """A namespace, and what it held when this was made.

    Attributes:
        where: how it is called in words.
        was: names and objects.
    """

    def __init__(self, thing: Any, where: str) -> None:
        """`thing`: a dict, list or set, or a class or module, of which only what can be called is watched."""
        self.where, self.thing = where, thing
        self._code = isinstance(thing, (type, ModuleType))
        self.was: dict[Any, Any] = dict(self._now())
        self._names, self._ids = list(self.was), list(map(id, self.was.values()))

    @staticmethod
    def can(thing: object) -> bool:
        """Whether it is a plain container that can be changed."""
        return type(thing) in (dict, OrderedDict, list, set)

    def changed(self) -> list[Any]:
        """The names that no longer stand for what they stood for, are gone, or are new."""
        if not self.was and not self.thing:
            return []
        now = self._now()
        if list(map(id, now.values())) == self._ids and list(now) == self._names:
            return []
        names = [n for n in {**self.was, **now} if not _same(self.was.get(n, self), now.get(n, self))]
        if not self._code:
            return names or ([] if list(now) == self._names else self._names)  # the same, in another order
        if isinstance(self.thing, ModuleType):
            names = [n for n in names if n in self.was]  # modules are imported, and grow, at any time
        return [n for n in names if _called(self.was.get(n)) or _called(now.get(n))]

    def restore(self) -> None:
        """Make it hold what it held."""
        if not self.changed():
            return
        if isinstance(self.thing, dict):
            self.thing.clear()
            self.thing.update(self.was)
        elif isinstance(self.thing, list):
            self.thing[:] = self.was.values()
        elif isinstance(self.thing, set):
            self.thing.clear()
            self.thing.update(self.was.values())
        else:
            for name in self.changed():
                if name in self.was:
                    setattr(self.thing, name, self.was[name])
                else:
                    delattr(self.thing, name)

    def _now(self) -> Mapping[Any, Any]:
        if isinstance(self.thing, dict):
            names: dict[Any, Any] = self.thing
            return names
        if isinstance(self.thing, (type, ModuleType)):
            return vars(self.thing)
        return dict(enumerate(self.thing))


def _same(one: object, other: object) -> bool:
    """The same object, or an equal one of plain Python: exporters put copies of settings into modules."""
    if one is other or type(one) is not type(other) or not isinstance(one, (int, float, str, tuple, list, dict)):
        return one is other
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):  # tensors and arrays within: an equal one is another
        return False


def _called(value: object) -> bool:
    return callable(value) or isinstance(value, (staticmethod, classmethod, property))
