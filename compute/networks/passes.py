"""How many images go through a network, whoever sends them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Passes:
    """Counts the images that one thread sends through a network, forward, and those of them with gradients."""

    def __init__(self) -> None:
        self.count, self.gradients = 0, 0
        self._thread, self._within = threading.get_ident(), False

    def __deepcopy__(self, memo: dict[int, Any]) -> "Passes":
        """Itself: the hook of a copied network counts here too."""
        return self

    @contextmanager
    def of(self, network: nn.Module) -> Iterator[None]:
        """Count what goes through the module itself while this lasts; copies of it count too."""
        hook = network.register_forward_pre_hook(self._seen)
        try:
            yield
        finally:
            hook.remove()

    def counting(self, probabilities: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The same function; whether it calls the module or another engine, its images count once."""

        def counted(images: Tensor) -> Tensor:
            self.count += len(images)
            self._within = True
            try:
                return probabilities(images)
            finally:
                self._within = False

        return counted

    def _seen(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        del module
        if not self._within and threading.get_ident() == self._thread and args:
            self.count += len(args[0])
            self.gradients += len(args[0]) * torch.is_grad_enabled()
