"""Ask one explainer about one image and one class: a task, a guard where it is not ours, a plain answer."""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from compute.explainers import Explainer, Explanation, Task, plain
from compute.explainers.base import seed_of
from compute.explainers.guard import Guard
from compute.networks.passes import Passes
from compute.sweep.turns import Turns

Bytes = npt.NDArray[np.uint8]
Prepare = Callable[[Bytes], Any]


@dataclass(frozen=True)
class Case:
    """A successful attack: `rgb` (H, W, 3) uint8 is classified as `target` because of `region`, (H, W) bool.

    `photo`, (H, W, 3) uint8, is the crop before the attack, and `own` its class.
    """

    case_id: str
    photo_id: str
    rgb: Bytes
    region: npt.NDArray[np.bool_]
    target: int
    photo: Bytes
    own: int


class Prepared(NamedTuple):
    """What a `prepare` returned, and the seconds it took."""

    value: Any = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Question:
    """Why does the network see `target` in `rgb`?

    Attributes:
        rgb: (H, W, 3) uint8.
        photo: (H, W, 3) uint8, the photo before the attack; `rgb` itself for a question about it.
        target: the class to be explained, by index.
        about: case or photo; draws follow from it.
        prepared: what is known of `rgb` beforehand.
        memories: by explainer, the network's answers about `rgb`; shared by questions about another class of it.
        repeat: 0, or which of the other seeds draws follow from.
        region: (H, W) bool, what was attacked, where something was; the oracle alone is told.
    """

    rgb: Bytes
    photo: Bytes
    target: int
    about: str
    prepared: Mapping[Prepare, Prepared]
    memories: dict[str, dict[str, npt.NDArray[np.float32]]] = field(default_factory=dict)
    repeat: int = 0
    region: npt.NDArray[np.bool_] | None = None


class Answer(NamedTuple):
    """An explainer's word as plain arrays, diagnostics as JSON, the seconds, the passes, and those with gradients."""

    found: Explanation
    diagnostics: str
    seconds: float
    passes: int
    gradients: int


@dataclass(frozen=True)
class Asking:
    """How explainers are asked.

    Attributes:
        network: see `Task`.
        probabilities: passes without gradients, of at most `batch` images.
        batch: images per pass.
        lime_samples: perturbed images per explanation by samples.
        seed: the sweep's.
        turns: at the network.
        guard: around explainers from outside, where there are any.
        time_limit: seconds after which an explainer from outside has failed; 0 is none.
    """

    network: nn.Module
    probabilities: Callable[[Tensor], Tensor]
    batch: int
    lime_samples: int
    seed: int
    turns: Turns
    guard: Guard | None = None
    time_limit: float = 0

    def seed_of(self, about: str, explainer: Explainer, repeat: int = 0) -> int:
        """Of all draws of an explainer about a case or a photo."""
        return seed_of(self.seed, about, explainer.name, *[repeat] * bool(repeat))

    def ask(self, explainer: Explainer, question: Question) -> Answer:
        """The explainer's answer; raises whatever it raises, or `Failed` for one from outside."""
        passes = Passes()
        before = question.prepared.get(explainer.prepare, Prepared()) if explainer.prepare else Prepared()
        task = Task(
            network=self.network,
            rgb=copied(question.rgb),
            target=question.target,
            seed=self.seed_of(question.about, explainer, question.repeat),
            probabilities=passes.counting(self.probabilities),
            lime_samples=self.lime_samples,
            batch=self.batch,
            exclusive=contextlib.nullcontext() if explainer.outside else self.turns,
            prepared=before.value,
            photo=copied(question.photo),
            memory=question.memories.setdefault(explainer.name, {}),
            region=question.region if explainer.oracle else None,
        )
        explain = partial(self._measured, explainer, task, before.seconds, passes)
        if not explainer.outside:
            return explain()
        assert self.guard is not None
        with self.turns:  # all along: whoever runs the network meanwhile would run what the explainer made of it
            return self.guard.call(explainer.name, explain, seconds=self.time_limit, stopped=lambda: self.turns.stopped)

    def _measured(self, explainer: Explainer, task: Task, before: float, passes: Passes) -> Answer:
        """Explain, and take from what is returned all that is needed, since that may be someone's code again."""
        started, waited = time.perf_counter(), self.turns.waited
        with passes.of(self.network):
            found, diagnostics = plain.explanation(explainer.explain(task), task.rgb.shape[:2])
        seconds = before + time.perf_counter() - started - (self.turns.waited - waited)
        return Answer(found, diagnostics, seconds, passes.count, passes.gradients)


def prepared(rgb: Bytes, wanted: Iterable[Prepare]) -> dict[Prepare, Prepared]:
    """What explainers and presentations want to know of an image beforehand, each once; faults are met later."""
    found = {}
    for prepare in set(wanted):
        started = time.perf_counter()
        with contextlib.suppress(Exception, SystemExit):
            found[prepare] = Prepared(prepare(copied(rgb)), time.perf_counter() - started)
    return found


def copied(rgb: Bytes) -> Bytes:
    """An image that nobody can write to, and nobody else has."""
    copy = rgb.copy()
    copy.setflags(write=False)
    return copy
