"""Targeted, localized BIM (paper, section 2), many (photo, region) pairs in one batch.

x' = clip(x - alpha * M * sign(grad CE(f(x), target))). The step is a whole number of 1/255, so that every iterate is an
8-bit image: what the network saw when the attack succeeded is, bit for bit, what is stored, shown and explained.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from compute.inputs.regions import Region
from compute.networks.classifier import Classifier
from compute.networks.threads import padded


@dataclass(frozen=True, kw_only=True)
class BIM:
    """The attack's settings.

    Attributes:
        target: index of the class that it aims at.
        step: size of a step, in 1/255.
        iterations: steps after which a job is given up.
        patience: steps within which the target's log-probability must rise by `progress` nats, or it is given up.
        progress: that rise.
        budget: largest change of a channel, in 1/255; 255 is none.
        confidence: softmax probability that the target must reach, besides being the predicted class.
    """

    target: int
    step: int = 4
    iterations: int = 150
    patience: int = 20
    progress: float = 0.1
    budget: int = 255
    confidence: float = 0.0


@dataclass(frozen=True)
class Job:
    """One (photo, region) pair: `rgb` is (H, W, 3) uint8."""

    case_id: str
    photo_id: str
    rgb: npt.NDArray[np.uint8]
    region: Region


@dataclass(frozen=True)
class Attempt:
    """What became of a job: `rgb` is the image at the end.

    `outcome` is success, stalled, exhausted, or broken where the network's answer was not finite.
    """

    job: Job
    outcome: str
    iterations: int
    rgb: npt.NDArray[np.uint8]
    clean_target_confidence: float
    target_confidence: float
    final_index: int
    final_confidence: float

    @property
    def success(self) -> bool:
        """Whether the 8-bit image is classified as the target."""
        return self.outcome == "success"


@dataclass
class _Running:
    """Progress of one job in the batch."""

    job: Job
    steps: int = 0
    clean: float = 0.0
    level: float = -np.inf
    level_at: int = 0


def attack(
    classifier: Classifier,
    jobs: Iterable[Job],
    settings: BIM,
    *,
    batch: int = 16,
    exclusive: AbstractContextManager[Any] | None = None,
) -> Iterator[Attempt]:
    """Attack all jobs, `batch` at a time; as one finishes, the next takes its place.

    Which jobs share a batch follows from their order alone. Attempts are yielded as they finish.
    """
    held = exclusive if exclusive is not None else nullcontext()
    waiting = iter(jobs)
    running: list[_Running] = []
    x = torch.empty((0, 3, classifier.size, classifier.size), dtype=torch.uint8, device=classifier.device)
    lowest = highest = x
    while True:
        fresh = [job for _, job in zip(range(batch - len(running)), waiting, strict=False)]
        if fresh:
            running += [_Running(job) for job in fresh]
            bounded = [(job.rgb, *_bounds(job, settings.budget)) for job in fresh]
            new = (_stack(images, classifier.device) for images in zip(*bounded, strict=True))
            x, lowest, highest = map(torch.cat, zip((x, lowest, highest), new, strict=True))
        if not running:
            return
        with held:
            logits, gradient = _forward_backward(classifier, x, settings.target)
            finite = logits.isfinite().all(dim=1) & gradient.isfinite().all(dim=(1, 2, 3))
            outcomes = _judge(running, logits, finite, settings)
        for i, outcome in enumerate(outcomes):
            if outcome:
                yield _finish(running[i], outcome, x[i], logits[i], settings.target)
        x = gradient.sign().to(torch.int16).mul_(settings.step).add_(x).clamp_(lowest, highest).to(torch.uint8)
        going = [i for i, outcome in enumerate(outcomes) if not outcome]
        if len(going) < len(running):
            x, lowest, highest = x[going], lowest[going], highest[going]
            running = [running[i] for i in going]
        for state in running:
            state.steps += 1


def _forward_backward(classifier: Classifier, x: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Logits (B, classes), and the gradient of the target's log-probability, (B, 3, H, W); x is uint8."""
    image = (padded(x).float() / 255).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.enable_grad():
        logits = classifier.network(image)
        (gradient,) = torch.autograd.grad(logits.log_softmax(dim=1)[:, target].sum(), image)
    return logits.detach()[: len(x)], gradient[: len(x)]


def _judge(running: list[_Running], logits: Tensor, finite: Tensor, settings: BIM) -> list[str]:
    """The outcome of each job at its present image; empty while it goes on."""
    log_p = logits.double().log_softmax(dim=1)
    target = log_p[:, settings.target].cpu().numpy()
    predicted = logits.argmax(dim=1).cpu().numpy()
    outcomes = []
    for state, value, index, whole in zip(running, target, predicted, finite.tolist(), strict=True):
        if state.steps == 0:
            state.clean = float(np.exp(value))
        if value >= state.level + settings.progress:
            state.level, state.level_at = float(value), state.steps
        if not whole:
            outcomes.append("broken")
        elif index == settings.target and np.exp(value) >= settings.confidence:
            outcomes.append("success")
        elif state.steps >= settings.iterations:
            outcomes.append("exhausted")
        elif state.steps - state.level_at >= settings.patience:
            outcomes.append("stalled")
        else:
            outcomes.append("")
    return outcomes


def _finish(state: _Running, outcome: str, x: Tensor, logits: Tensor, target: int) -> Attempt:
    p = logits.double().softmax(dim=0)
    index = int(logits.argmax())
    rgb = np.ascontiguousarray(x.permute(1, 2, 0).cpu().numpy())
    return Attempt(state.job, outcome, state.steps, rgb, state.clean, float(p[target]), index, float(p[index]))


def _bounds(job: Job, budget: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Least and greatest value of every pixel, (H, W, 3); outside the region both are the photo's own."""
    rgb, inside = job.rgb.astype(np.int16), job.region.mask[..., None]
    least, greatest = np.maximum(rgb - budget, 0), np.minimum(rgb + budget, 255)
    return np.where(inside, least, rgb).astype(np.uint8), np.where(inside, greatest, rgb).astype(np.uint8)


def _stack(images: Sequence[npt.NDArray[np.uint8]], device: torch.device) -> Tensor:
    """(B, 3, H, W) uint8 on the device."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
