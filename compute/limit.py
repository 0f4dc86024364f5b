"""The network's own speed on this machine: the limit that everything else is measured against."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from compute import engine
from compute.classifiers import Classifier
from compute.config import Config

CANDIDATES = {"cpu": (4, 8, 16, 32), "cuda": (64, 128, 256, 512)}
"""Batch sizes to try, by kind of device."""


@dataclass(frozen=True)
class Limit:
    """The network's own rate, images per second: the best over batch sizes, forward, and forward with backward."""

    forward: float
    forward_batch: int
    backward: float
    backward_batch: int
    rates: dict[str, float]


class Counting(nn.Module):
    """A network that counts the images it is given and the seconds that passes take."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.forward_images = self.backward_images = 0

    def forward(self, x: Tensor) -> Tensor:
        """Pass on, and count."""
        self._count(len(x), x.requires_grad)
        logits: Tensor = self.network(x)
        return logits

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _count(self, images: int, backward: bool) -> None:
        if backward:
            self.backward_images += images
        else:
            self.forward_images += images

    def seconds_at(self, limit: Limit) -> float:
        """How long the counted passes take at the limit."""
        return self.forward_images / limit.forward + self.backward_images / limit.backward


def limit(classifier: Classifier, config: Config, rounds: int) -> Limit:
    """The raw rates over batch sizes, measured in turn, `rounds` times; the configured engine and precision."""
    probabilities = {
        b: engine.probabilities(classifier, dataclasses.replace(config, batch=b)) for b in _batches(classifier, config)
    }
    rates: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 1):
        for b in _batches(classifier, config):
            x = torch.rand(b, 3, classifier.size, classifier.size, device=classifier.device)
            x = x.contiguous(memory_format=torch.channels_last)
            for kind, run in (("forward", probabilities[b]), ("forward+backward", _gradient(classifier))):
                if turn:  # the first turn warms up
                    rates.setdefault((kind, b), []).append(_rate(run, x, classifier.device))
                else:
                    run(x)
    medians = {key: statistics.median(values) for key, values in rates.items()}
    forward = max((v, b) for (kind, b), v in medians.items() if kind == "forward")
    backward = max((v, b) for (kind, b), v in medians.items() if kind != "forward")
    return Limit(*forward, *backward, {f"{kind} {b}": v for (kind, b), v in medians.items()})


def _batches(classifier: Classifier, config: Config) -> tuple[int, ...]:
    return tuple(sorted({*CANDIDATES[classifier.device.type], config.batch}))


def _gradient(classifier: Classifier) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(classifier.network(leaf).log_softmax(dim=1)[:, 0].sum(), leaf)[0]

    return run


def _rate(run: Callable[[Tensor], Tensor], x: Tensor, device: torch.device) -> float:
    """Images per second over at least half a second."""
    wait(device)
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < 0.5:
        run(x)
        wait(device)
        images += len(x)
    return images / (time.perf_counter() - started)


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
