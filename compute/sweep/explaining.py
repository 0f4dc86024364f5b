"""Explain one case with every explainer, and score what they say."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from compute.errors import InputError, in_words
from compute.explainers import Explainer, Explanation, Superpixels, Task, plain
from compute.explainers.base import seed_of
from compute.explainers.guard import Failed, Guard
from compute.scoring import entry as scores
from compute.store.png import png
from compute.store.schema import N_SIZES
from compute.sweep.rows import failure_row
from compute.sweep.turns import Stopped, Turns


@dataclass(frozen=True)
class Case:
    """A successful attack: `rgb` (H, W, 3) uint8 is classified as `target` because of `region`, (H, W) bool."""

    case_id: str
    photo_id: str
    rgb: npt.NDArray[np.uint8]
    region: npt.NDArray[np.bool_]
    target: int


@dataclass(frozen=True)
class Explained:
    """Rows for the tables explanations, scores, images and failures, and seconds by explainer."""

    rows: dict[str, list[dict[str, Any]]]
    seconds: dict[str, float]


class Answer(NamedTuple):
    """What an explainer said of a case: its entry map, its diagnostics as JSON, and the seconds it took."""

    entry: scores.EntryMap
    diagnostics: str
    seconds: float


class Prepared(NamedTuple):
    """What an explainer's `prepare` returned, and the seconds it took."""

    value: Any = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Explaining:
    """The stage that explains cases: with which explainers, through which network.

    Attributes:
        explainers: in the order of the manifest.
        network: see `Task`.
        probabilities: LIME's passes, of at most `batch` images.
        batch: images per pass.
        lime_samples: perturbed images per LIME explanation.
        seed: the sweep's.
        turns: at the network.
        guard: around explainers from outside, where there are any.
        time_limit: seconds after which an explainer from outside has failed; 0 is none.
    """

    explainers: Sequence[Explainer]
    network: nn.Module
    probabilities: Callable[[Tensor], Tensor]
    batch: int
    lime_samples: int
    seed: int
    turns: Turns
    guard: Guard | None = None
    time_limit: float = 0

    def prepare(self, case: Case) -> dict[str, Prepared]:
        """What explainers want to know beforehand, by name; the explainer itself will meet whatever goes wrong here."""
        found = {}
        for explainer in self.explainers:
            if explainer.prepare is not None:
                started = time.perf_counter()
                with contextlib.suppress(Exception, SystemExit):
                    found[explainer.name] = Prepared(explainer.prepare(_copy(case)), time.perf_counter() - started)
        return found

    def explain(self, case: Case, prepared: Mapping[str, Prepared]) -> Explained:
        """Explain a case, LIME first: its unions say how many pixels pixel explainers may choose (paper, section 4).

        An explainer that raises, or returns something unusable, becomes a row of `failures`; the others go on. Without
        LIME's unions they could not be compared, though: where LIME fails, the case is left unexplained.
        """
        rows: dict[str, list[dict[str, Any]]] = {"explanations": [], "scores": [], "images": [], "failures": []}
        seconds: dict[str, float] = {}
        sizes = scores.scheduled_sizes(case.region.size)
        for explainer in sorted(self.explainers, key=lambda e: e.name != "lime"):
            beforehand = prepared.get(explainer.name, Prepared())
            try:
                answer = self._answer(case, explainer, beforehand.value, sizes)
            except (Stopped, InputError):
                raise
            except (Exception, SystemExit) as error:  # one failure never ends a sweep
                reason = str(error) if isinstance(error, Failed) else in_words(error)
                who = {"case_id": case.case_id, "explainer": explainer.name}
                rows["failures"].append(failure_row("explain", case.photo_id, reason, **who))
                if explainer.name == "lime":
                    break
                continue
            if explainer.name == "lime":
                sizes = scores.sizes_of(answer.entry)
            seconds[explainer.name] = beforehand.seconds + answer.seconds
            _add(rows, case, explainer.name, answer, seconds[explainer.name])
        rows["images"].sort(key=lambda row: row["kind"])
        return Explained(rows, seconds)

    def _answer(self, case: Case, explainer: Explainer, prepared: Any, sizes: scores.Sizes) -> Answer:
        task = Task(
            network=self.network,
            rgb=_copy(case),
            target=case.target,
            seed=seed_of(self.seed, case.case_id, explainer.name),
            probabilities=self.probabilities,
            lime_samples=self.lime_samples,
            batch=self.batch,
            exclusive=contextlib.nullcontext() if explainer.outside else self.turns,
            prepared=prepared,
        )
        explain = partial(self._measured, explainer, task, sizes)
        if not explainer.outside:
            return explain()
        assert self.guard is not None
        with self.turns:  # all along: whoever runs the network meanwhile would run what the explainer made of it
            return self.guard.call(explainer.name, explain, seconds=self.time_limit, stopped=lambda: self.turns.stopped)

    def _measured(self, explainer: Explainer, task: Task, sizes: scores.Sizes) -> Answer:
        """Explain, and take from what is returned all that is needed, since that may be someone's code again."""
        started, waited = time.perf_counter(), self.turns.waited
        found = explainer.explain(task)
        if isinstance(found, Superpixels):
            entry, diagnostics = entry_map(found, sizes, task), plain.as_json(found.diagnostics)
        else:
            found = plain.priorities(found, task.rgb.shape[:2])
            entry, diagnostics = entry_map(found, sizes, task), "{}" if np.ptp(found) else ALL_EQUAL
        return Answer(entry, diagnostics, time.perf_counter() - started - (self.turns.waited - waited))


ALL_EQUAL = plain.as_json({"note": "all priorities are equal: the pixels were chosen at random"})


def _copy(case: Case) -> npt.NDArray[np.uint8]:
    """The image of a case, that nobody can write to, and nobody else has."""
    rgb = case.rgb.copy()
    rgb.setflags(write=False)
    return rgb


def entry_map(found: Explanation, sizes: scores.Sizes, task: Task) -> scores.EntryMap:
    """The entry map of what an explainer returned.

    Raises:
        TypeError: superpixels that are not ranked by a list of labels.
        ValueError: the wrong shape, or values that cannot be.
    """
    shape = task.rgb.shape[:2]
    if isinstance(found, Superpixels):
        return scores.entry_of_superpixels(plain.segments(found.segments, shape), plain.ranked(found.ranked))
    ties = np.random.default_rng(seed_of(task.seed, "ties"))
    return scores.entry_of_priorities(plain.priorities(found, shape), sizes, ties)


def _add(rows: dict[str, list[dict[str, Any]]], case: Case, name: str, answer: Answer, seconds: float) -> None:
    who = {"case_id": case.case_id, "explainer": name}
    rows["explanations"].append({**who, "seconds": seconds, "diagnostics": answer.diagnostics})
    counts = zip(*scores.count(answer.entry, case.region), strict=True)
    rows["scores"] += [
        {**who, "n": n, "pixels": int(pixels), "hits": int(hits)}
        for n, (pixels, hits) in zip(range(1, N_SIZES + 1), counts, strict=True)
    ]
    rows["images"].append({"owner": case.case_id, "kind": f"entry:{name}", "png": png(answer.entry)})
