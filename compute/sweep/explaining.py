"""Explain one case with every explainer, and score what they say."""

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from compute.explainers import Explainer, Explanation, Superpixels, Task
from compute.explainers.base import seed_of
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
    """

    explainers: Sequence[Explainer]
    network: nn.Module
    probabilities: Callable[[Tensor], Tensor]
    batch: int
    lime_samples: int
    seed: int
    turns: Turns

    def prepare(self, case: Case) -> dict[str, Prepared]:
        """What explainers want to know beforehand, by name; the explainer itself will meet whatever goes wrong here."""
        found = {}
        for explainer in self.explainers:
            if explainer.prepare is not None:
                started = time.perf_counter()
                with contextlib.suppress(Exception):
                    found[explainer.name] = Prepared(explainer.prepare(case.rgb), time.perf_counter() - started)
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
            started, waited = time.perf_counter() - beforehand.seconds, self.turns.waited
            try:
                task = self._task(case, explainer, beforehand.value)
                found = explainer.explain(task)
                entry = entry_map(found, sizes, task)
                diagnostics = json.dumps(dict(found.diagnostics) if isinstance(found, Superpixels) else {})
            except Stopped:
                raise
            except (Exception, SystemExit) as error:  # a user's may raise anything; one failure never ends a sweep
                reason = f"{type(error).__name__}: {str(error)[:500]}"
                who = {"case_id": case.case_id, "explainer": explainer.name}
                rows["failures"].append(failure_row("explain", case.photo_id, reason, **who))
                if explainer.name == "lime":
                    break
                continue
            if explainer.name == "lime":
                sizes = scores.sizes_of(entry)
            seconds[explainer.name] = time.perf_counter() - started - (self.turns.waited - waited)
            _add(rows, case, explainer.name, entry, seconds[explainer.name], diagnostics)
        rows["images"].sort(key=lambda row: row["kind"])
        return Explained(rows, seconds)

    def _task(self, case: Case, explainer: Explainer, prepared: Any) -> Task:
        return Task(
            network=self.network,
            rgb=case.rgb,
            target=case.target,
            seed=seed_of(self.seed, case.case_id, explainer.name),
            probabilities=self.probabilities,
            lime_samples=self.lime_samples,
            batch=self.batch,
            exclusive=self.turns,
            prepared=prepared,
        )


def entry_map(found: Explanation, sizes: scores.Sizes, task: Task) -> scores.EntryMap:
    """The entry map of what an explainer returned.

    Raises:
        ValueError: the wrong shape, or values that are not finite.
    """
    shape = task.rgb.shape[:2]
    if isinstance(found, Superpixels):
        segments = np.asarray(found.segments)
        if segments.shape != shape:
            raise ValueError(f"segments of shape {segments.shape} for an image of {shape}")
        return scores.entry_of_superpixels(segments, found.ranked)
    priorities = np.asarray(found)
    if priorities.shape != shape:
        raise ValueError(f"priorities of shape {priorities.shape} for an image of {shape}")
    if not np.issubdtype(priorities.dtype, np.number) or not np.isfinite(priorities).all():
        raise ValueError("priorities must be finite numbers")
    ties = np.random.default_rng(seed_of(task.seed, "ties"))
    return scores.entry_of_priorities(priorities.astype(np.float64), sizes, ties)


def _add(
    rows: dict[str, list[dict[str, Any]]],
    case: Case,
    name: str,
    entry: scores.EntryMap,
    seconds: float,
    diagnostics: str,
) -> None:
    who = {"case_id": case.case_id, "explainer": name}
    rows["explanations"].append({**who, "seconds": seconds, "diagnostics": diagnostics})
    counts = zip(*scores.count(entry, case.region), strict=True)
    rows["scores"] += [
        {**who, "n": n, "pixels": int(pixels), "hits": int(hits)}
        for n, (pixels, hits) in zip(range(1, N_SIZES + 1), counts, strict=True)
    ]
    rows["images"].append({"owner": case.case_id, "kind": f"entry:{name}", "png": png(entry)})
