"""The network's own speed on this machine: the limit that everything else is measured against."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from compute.networks import engine
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine
from compute.sweep.config import Config

CANDIDATES = {"cpu": (4, 8, 16, 32), "cuda": (64, 128, 256, 512)}
"""Batch sizes to try, by kind of device."""
GLANCE, LOOK = 0.5, 3.0
"""Seconds of passes by which the best are chosen, and by which they are measured beside what takes long itself."""
Run = Callable[[Tensor], Tensor]


class Rates(NamedTuple):
    """Images per second: forward, and forward with backward."""

    forward: float
    backward: float


@dataclass(frozen=True)
class Limit:
    """Raw passes at the best engine and batch size that were found here.

    Attributes:
        rates: medians, images per second, by kind of pass, engine and batch size.
        forward: the best of them without gradients, by name.
        backward: likewise, forward with backward.
    """

    runs: dict[str, tuple[Run, Tensor]]
    rates: dict[str, float]
    forward: str
    backward: str

    def now(self) -> Rates:
        """The best rates, measured again: machines drift, and a ratio needs both of its sides at one time."""
        return Rates(*(_rate(*self.runs[name], LOOK) for name in (self.forward, self.backward)))


def limit(classifier: Classifier, config: Config, rounds: int) -> Limit:
    """Find the best engine (eager, or the configured one) and batch size: each is measured `rounds` times, in turn."""
    batches = sorted({*CANDIDATES[classifier.device.type], config.batch})

    @cache
    def made(name: str, batch: int) -> Run:
        return engine.probabilities(classifier, Engine(name, config.precision, batch))

    runs: dict[str, tuple[Run, Tensor]] = {}
    for b in batches:
        x = torch.rand(b, 3, classifier.size, classifier.size, device=classifier.device)
        nhwc = x.contiguous(memory_format=torch.channels_last)
        for kind in sorted({"eager", str(config.engine)}):
            # Only a compiled network is made for one batch size; only ONNX Runtime's layout is not channels-last.
            passes = made(kind, b if kind == "compiled" else batches[-1])
            runs[f"forward, {kind}, {b}"] = (passes, x if kind == "onnxruntime" else nhwc)
        runs[f"forward and backward, {b}"] = (_gradient(classifier), nhwc)
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            found[name].append(_rate(*run, GLANCE))
    rates = {name: statistics.median(values) for name, values in found.items()}
    backward = {name for name in rates if name.startswith("forward and backward")}
    best = [max(names, key=rates.__getitem__) for names in (rates.keys() - backward, backward)]
    return Limit(runs, rates, *best)


def _gradient(classifier: Classifier) -> Run:
    def run(x: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        return torch.autograd.grad(classifier.network(leaf).log_softmax(dim=1)[:, 0].sum(), leaf)[0]

    return run


def _rate(run: Run, x: Tensor, seconds: float) -> float:
    """Images per second over at least so many seconds, after one pass to warm up."""
    run(x)
    wait(x.device)
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        run(x)
        wait(x.device)
        images += len(x)
    return images / (time.perf_counter() - started)


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
