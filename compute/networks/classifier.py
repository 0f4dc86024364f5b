"""A network ready to be attacked and explained: (B, 3, size, size) RGB in [0, 1] in, logits out."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from compute.errors import InputError
from compute.networks.fold import folded
from compute.networks.gate import Unfit, admitted, as_logits, copied
from compute.networks.weights import digest


class Normalised(nn.Module):
    """A network behind the normalisation that its weights were trained with."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, classes) logits."""
        logits: Tensor = self.body((x - self.mean) / self.std)
        return logits


@dataclass(frozen=True)
class Classifier:
    """A network ready to be attacked and explained: in eval mode, parameters frozen, on its device.

    `network` maps (B, 3, size, size) float32 in [0, 1] to (B, classes) logits.
    """

    name: str
    network: nn.Module
    size: int
    classes: tuple[str, ...]
    weights_sha256: str

    @classmethod
    def of(
        cls,
        network: nn.Module,
        *,
        size: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "custom",
        device: torch.device | str = "cpu",
    ) -> "Classifier":
        """Wrap any torch module; the module itself is not changed.

        Args:
            size: side of its square input, pixels.
            mean: by channel, if the module takes images normalised by `mean` and `std`; else it takes [0, 1].
            std: likewise.
            classes: names, by index; numbers are used where they are not given.

        Raises:
            InputError: what is wrong with the network, or with what was said of it, and what to do.
        """
        if (mean is None) != (std is None):
            raise InputError("Classifier.of: give mean and std together, or neither")
        if mean is not None and std is not None and not (len(mean) == len(std) == 3 and all(std)):
            raise InputError("Classifier.of: mean and std are three numbers each, one a channel, and no std is 0")
        if size < 1:
            raise InputError(f"Classifier.of: size {size} must be 1 pixel or more")
        images = _example(size)
        try:
            plain = copied(network)
            if mean is not None and std is not None:
                plain = Normalised(plain, mean, std).eval()
            sha256 = digest(plain.state_dict())  # the normalisation with it: it decides the results as weights do
            answering, outputs = as_logits(plain, images)
            frozen = admitted(folded(answering, images), images.to(device))
        except Unfit as error:
            raise InputError(f"classifier {name}: {error}") from error
        names = tuple(map(str, range(outputs))) if classes is None else tuple(classes)
        if len(names) != outputs or isinstance(classes, str) or not all(isinstance(n, str) for n in names):
            raise InputError(f"Classifier.of: {len(names)} classes for {outputs} outputs; name each, or none")
        return cls(name, frozen, size, names, sha256)

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return place_of(self.network)

    def example(self) -> Tensor:
        """(2, 3, size, size) on the network's device: noise to compare ways to run the network at."""
        return _example(self.size).to(self.device)

    def index_of(self, target: str) -> int:
        """The index of a class given by name (case ignored) or by number.

        Raises:
            InputError: no such class, or several of that name.
        """
        if target.strip().isdecimal():
            if int(target) < len(self.classes):
                return int(target)
            raise InputError(f"--target {target}: {self.name} has the classes 0 to {len(self.classes) - 1}")
        names = [name.casefold() for name in self.classes]
        found = [i for i, name in enumerate(names) if name == target.strip().casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"--target {target!r}: several classes have this name; give one of the numbers {found}")
        near = difflib.get_close_matches(target.casefold(), names, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "; give a class name or its number"
        raise InputError(f"--target {target!r}: {self.name} has no such class{hint}")


def _example(size: int) -> Tensor:
    return torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0))


def place_of(network: nn.Module) -> torch.device:
    """Where a network lives: on the CPU, if it has no parameters."""
    return next(chain(network.parameters(), network.buffers()), torch.empty(0)).device
