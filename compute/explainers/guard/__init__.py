"""The guard around explainers from outside: afterwards everything is as before, or they have failed and it is mended.

They share the process, and the network, with the measurement. Nothing keeps them from ending the process itself, or
from never returning from C code.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from compute.errors import InputError, Notice, in_words
from compute.explainers.guard.interrupts import end, interruptible, threads
from compute.explainers.guard.network import Watched
from compute.explainers.guard.process import AT_IMPORT, SURROUNDINGS, Shared, putting_back
from compute.explainers.guard.streams import Heard, listening
from compute.text import brief

T = TypeVar("T")
NAMED = 3
"""Changes that a reason names."""


class Failed(Exception):
    """An explainer from outside has raised, did not end, or has changed what it may not; says so in one line."""


class Guard:
    """Runs explainers from outside on a network, one at a time."""

    def __init__(self, network: nn.Module, example: Tensor, probabilities: Callable[[Tensor], Tensor]) -> None:
        """Note how everything is.

        Args:
            network: that explainers are given.
            example: (B, 3, H, W) on its device.
            probabilities: its passes without gradients, see `Task`.
        """

        def passes() -> None:
            with torch.enable_grad():
                network(image := example[:1].clone().requires_grad_()).sum().backward()
            probabilities(image.detach())

        self._watched = Watched(network, passes)
        self._told: set[str] = set()

    def call(
        self, name: str, function: Callable[[], T], *, seconds: float = 0, stopped: Callable[[], bool] = lambda: False
    ) -> T:
        """What the function returns.

        Args:
            name: of the explainer.
            function: explains.
            seconds: after which it is interrupted; 0 is never.
            stopped: whether the sweep is being stopped.

        Raises:
            Failed: whatever it raised, that it took too long, or what it has changed, which is as before again.
            KeyboardInterrupt: from the user, whatever the explainer did with it.
            InputError: what it has changed cannot be mended.
        """
        wrong: list[str] = []
        before = threads()
        with putting_back(*SURROUNDINGS), listening() as heard, torch.inference_mode(False):
            shared = Shared()
            with torch.inference_mode(False):  # whose end is the only way out of another that was left
                try:
                    with interruptible(seconds, stopped) as watch:
                        result = function()
                except BaseException as error:  # an explainer may raise anything
                    wrong.append(in_words(error))
                end(left := threads() - before)
                changed = [*shared.changed(), *self._watched.changed()]
            if changed:
                shared.restore()
                self._watched.restore()
            rest = [*shared.changed(), *self._watched.changed()] if changed else []
        self._tell(name, heard)
        if watch.ended:
            raise KeyboardInterrupt
        if rest:
            raise InputError(f"--explainers {name}: changed what cannot be changed back: {_listed(rest)}; leave it out")
        wrong = [f"it was not done after {watch.over:g} s"] if watch.over else wrong
        wrong += [f"it left threads running: {_listed([thread.name for thread in left])}"] if left else []
        wrong += [f"it changed {_listed(changed)}"] if changed else []
        if wrong:
            raise Failed(brief("; ".join(wrong)))
        return result

    def _tell(self, name: str, heard: Heard) -> None:
        if heard.characters and name not in self._told:
            self._told.add(name)
            warnings.warn(f"{name} prints, which is not shown: {heard}", Notice, stacklevel=3)


@contextlib.contextmanager
def importing(name: str) -> Iterator[None]:
    """Undo what importing a module from outside changes: draws and the folder silently, torch's settings with a notice.

    What else it sets up for itself, like `sys.path`, stays.
    """
    shared = Shared()
    try:
        with putting_back(*AT_IMPORT):
            yield
    finally:
        changed = shared.changed()
        shared.restore()
    if changed:
        said = f"--explainers {name}: its import changed {_listed(changed)}, which was changed back"
        warnings.warn(f"{said}; change it in the explainer, and there change it back", Notice, stacklevel=2)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
