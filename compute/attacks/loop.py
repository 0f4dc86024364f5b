"""The loop that all algorithms share: many targeted, localized attacks in one batch, judged at every image.

Steps lead from one 8-bit image to the next: what the network saw when an attack succeeded is, bit for bit, what is
stored, shown and explained.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.attacks.base import ALGORITHMS, Attempt, Batch, Job, Settings
from compute.networks.classifier import Classifier
from compute.networks.threads import padded


@dataclass
class _Running:
    """Progress of one job in the batch; `least` is the squared L2 norm of its `best` success's change, in 1/255."""

    job: Job
    steps: int = 0
    clean: float = 0.0
    level: float = -np.inf
    level_at: int = 0
    best: Attempt | None = None
    least: int = 0


def attack(
    classifier: Classifier,
    jobs: Iterable[Job],
    settings: Settings,
    *,
    batch: int = 16,
    exclusive: AbstractContextManager[Any] | None = None,
) -> Iterator[Attempt]:
    """Attack all jobs, `batch` at a time; as one finishes, the next takes its place.

    Which jobs share a batch follows from their order alone. Attempts are yielded as they finish.
    """
    held = exclusive if exclusive is not None else nullcontext()
    algorithm = ALGORITHMS[settings.algorithm]
    waiting = iter(jobs)
    running: list[_Running] = []
    rows: Batch | None = None
    while True:
        fresh = [job for _, job in zip(range(batch - len(running)), waiting, strict=False)]
        if fresh:
            new = Batch.of(fresh, settings.budget, classifier.device)
            rows = rows.joined(new) if rows else new
            running += map(_Running, fresh)
        if rows is None or not running:
            return
        with held:
            logits, gradient = _forward_backward(classifier, rows)
            finite = logits.isfinite().all(dim=1) & gradient.isfinite().all(dim=(1, 2, 3))
            judged = _judge(running, rows, logits, finite, settings, minimises=algorithm.minimises)
        for state, (outcome, _), x, answer in zip(running, judged, rows.x, logits, strict=True):
            if outcome:
                yield replace(state.best, iterations=state.steps) if state.best else _end(state, outcome, x, answer)
        reached = torch.tensor([reached for _, reached in judged], device=classifier.device).view(-1, 1, 1, 1)
        rows = algorithm.step(rows._replace(reached=reached), gradient, settings.step)
        going = [i for i, (outcome, _) in enumerate(judged) if not outcome]
        if len(going) < len(running):
            rows, running = rows.rows(going), [running[i] for i in going]
        for state in running:
            state.steps += 1


def _forward_backward(classifier: Classifier, rows: Batch) -> tuple[Tensor, Tensor]:
    """Logits (B, classes), and the gradient of the targets' log-probability, (B, 3, H, W)."""
    image = (padded(rows.x).float() / 255).contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.enable_grad():
        logits = classifier.network(image)
        aimed_at = logits.log_softmax(dim=1).gather(1, padded(rows.target)[:, None])
        (gradient,) = torch.autograd.grad(aimed_at.sum(), image)
    return logits.detach()[: len(rows.x)], gradient[: len(rows.x)]


def _judge(
    running: list[_Running], rows: Batch, logits: Tensor, finite: Tensor, settings: Settings, *, minimises: bool
) -> list[tuple[str, bool]]:
    """The outcome of each job at its present image, empty while it goes on, and whether that is a success."""
    log_p = logits.double().log_softmax(dim=1).gather(1, rows.target[:, None])[:, 0]
    answers = zip(log_p.cpu().numpy(), logits.argmax(dim=1).tolist(), finite.tolist(), strict=True)
    judged = []
    for i, (state, (value, index, whole)) in enumerate(zip(running, answers, strict=True)):
        if state.steps == 0:
            state.clean = float(np.exp(value))
        reached = whole and index == state.job.target and bool(np.exp(value) >= settings.confidence)
        if reached:
            _keep(state, rows.x[i], rows.photo[i], logits[i])
        level = -np.log(max(state.least, 1)) / 2 if state.best else value
        if level >= state.level + settings.progress:
            state.level, state.level_at = float(level), state.steps
        if not whole:
            outcome = "broken"
        elif reached and not (minimises and state.least):
            outcome = "success"
        elif state.steps >= settings.iterations:
            outcome = "exhausted"
        elif state.steps - state.level_at >= settings.patience:
            outcome = "stalled"
        else:
            outcome = ""
        judged.append((outcome, reached))
    return judged


def _keep(state: _Running, x: Tensor, photo: Tensor, logits: Tensor) -> None:
    """Remember a success, if its change is the smallest so far."""
    size = int((x.int() - photo.int()).square().sum())
    if state.best is None:
        state.level = -np.inf  # from here on it measures the change
    if state.best is None or size < state.least:
        state.best, state.least = _end(state, "success", x, logits), size


def _end(state: _Running, outcome: str, x: Tensor, logits: Tensor) -> Attempt:
    p = logits.double().softmax(dim=0)
    index = int(logits.argmax())
    rgb = np.ascontiguousarray(x.permute(1, 2, 0).cpu().numpy())
    confidence = float(p[state.job.target])
    return Attempt(state.job, outcome, state.steps, rgb, state.clean, confidence, index, float(p[index]))
