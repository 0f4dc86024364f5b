"""A network as it was: its modules with everything that hangs on them, and every bit of its weights."""

import ctypes
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from compute.explainers.guard.held import Held


class Watched:
    """A network, and all that an explainer could change of it.

    Weights are compared bit by bit, since writing through `.data` or NumPy leaves no mark on a tensor: that takes as
    long as reading them, a fraction of one pass.
    """

    def __init__(self, network: nn.Module, passes: Callable[[], object]) -> None:
        """`passes` runs the network: what that changes (a layer that keeps its last activation) is its own affair."""
        self._modules = [(_name(path), module, type(module)) for path, module in network.named_modules()]
        self._marks = {module: vars(module).get(_MARK) for _, module, _ in self._modules}
        self._held = list(_namespaces(network))
        tensors: dict[int, _Tensor] = {}
        for tensor in self._found(network):
            tensors.setdefault(id(tensor.tensor), tensor)
        self._tensors = list(tensors.values())
        self._storages = _storages(self._tensors)
        self._own: set[str] = set()
        passes()
        self._own = set(self.changed())

    def changed(self) -> list[str]:
        """What is not as it was, in words."""
        self._tidy()
        found = [f"class of {name}" for name, module, kind in self._modules if type(module) is not kind]
        found += [_of(name, held.where) for held in self._held for name in held.changed()]
        found += [t.name for t in self._tensors if t.changed()]
        for name, storage, saved in self._storages:
            if storage.nbytes() != saved.nbytes or not _equal(_bytes(storage), saved):
                found.append(f"values of {name}")
        return [what for what in dict.fromkeys(found) if what not in self._own]

    def restore(self) -> None:
        """Make everything as it was, whatever was changed."""
        for _, module, kind in self._modules:
            if type(module) is not kind:
                module.__class__ = kind
        for held in self._held:
            held.restore()
        for tensor in self._tensors:
            tensor.restore()
        for _, storage, saved in self._storages:
            if storage.nbytes() != saved.nbytes:
                storage.resize_(saved.nbytes)
            _bytes(storage).copy_(saved)

    def _tidy(self) -> None:
        """Take away the mark that a backward hook leaves behind when it is removed."""
        for _, module, _ in self._modules:
            if not vars(module).get("_backward_hooks") and vars(module).get(_MARK):
                vars(module)[_MARK] = self._marks[module]

    def _found(self, network: nn.Module) -> Iterator["_Tensor"]:
        for held in self._held:
            for name, value in held.was.items():
                if isinstance(value, Tensor):
                    yield _Tensor(_of(name, held.where), value)
        for name, value in [*network.named_parameters(), *network.named_buffers()]:  # TorchScript holds no others
            yield _Tensor(name, value)


class _Tensor:
    """A tensor, and all of it but its values."""

    def __init__(self, name: str, tensor: Tensor) -> None:
        self.name, self.tensor, self.was = name, tensor, tensor.detach()
        self._requires_grad, self._grad = tensor.requires_grad, tensor.grad
        self._hooks = _hooks(tensor)
        self._looks = _looks(tensor)

    def changed(self) -> bool:
        t = self.tensor
        return _looks(t) != self._looks or (t.is_leaf and t.grad is not self._grad) or _hooks(t) != self._hooks

    def restore(self) -> None:
        if not self.changed():
            return
        if self.tensor.is_leaf:
            self.tensor.grad = None
        self.tensor.data = self.was
        if self.tensor.requires_grad != self._requires_grad:
            self.tensor.requires_grad_(self._requires_grad)
        self.tensor.grad = self._grad
        for name, value in zip(_HOOKS, self._hooks, strict=True):
            setattr(self.tensor, name, None if value is None else dict(value))


_MARK = "_is_full_backward_hook"
_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


def _hooks(tensor: Tensor) -> list[dict[int, Any] | None]:
    """What hangs on a tensor; handlers that were removed leave an empty dict behind."""
    return [dict(getattr(tensor, name, None) or {}) or None for name in _HOOKS]


def _looks(t: Tensor) -> tuple[Any, ...]:
    where = t.data_ptr() if t.layout == torch.strided and t.device.type != "meta" else 0
    return where, t.dtype, t.device, t.shape, t.stride() if where else (), t.requires_grad


def _namespaces(network: nn.Module) -> Iterator[Held]:
    """Every module's attributes and the containers in them, its classes, and torch's hooks for all modules."""
    classes: dict[type, None] = {}
    for path, module in network.named_modules():
        yield Held(vars(module), _name(path))
        for name, value in vars(module).items():
            if Held.can(value):
                yield Held(value, _name(path) if name in _TRANSPARENT else _of(name, _name(path)))
        classes |= dict.fromkeys(type(module).__mro__[:-1])
    yield from (Held(kind, f"class {kind.__name__}") for kind in classes)
    yield from (
        Held(v, _of(n, "all modules")) for n, v in vars(hooks).items() if n.startswith("_global") and Held.can(v)
    )


_TRANSPARENT = ("_parameters", "_buffers", "_modules")


def _name(path: str) -> str:
    return path or "the network"


def _of(name: object, where: str) -> str:
    """An attribute in words: forward hooks of body.conv1."""
    if isinstance(name, int):
        return where
    return f"{str(name).strip('_').replace('_', ' ')} of {where}"


def _storages(tensors: list[_Tensor]) -> list[tuple[str, torch.UntypedStorage, Tensor]]:
    """(name, storage, its bytes now) of every piece of memory in which tensors live."""
    found: dict[int, tuple[str, torch.UntypedStorage, Tensor]] = {}
    for t in tensors:
        if _looks(t.was)[0]:
            storage = t.was.untyped_storage()
            found.setdefault(storage.data_ptr(), (t.name, storage, _bytes(storage).clone()))
    return list(found.values())


def _bytes(storage: torch.UntypedStorage) -> Tensor:
    """(bytes,) uint8: a view of the memory itself."""
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


_LIBRARY = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
_LIBRARY.memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def _equal(one: Tensor, other: Tensor) -> bool:
    """Not by torch on a CPU: its threads would spin on into the next pass."""
    if one.device.type == "cpu":
        return int(_LIBRARY.memcmp(one.data_ptr(), other.data_ptr(), one.numel())) == 0
    return torch.equal(one, other)
