"""Explain one case with every explainer, read each explanation as its methods do, score it, and ask for controls."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compute.errors import InputError, in_words
from compute.explainers import Explainer, Explanation
from compute.explainers.base import seed_of
from compute.explainers.guard import Failed
from compute.explainers.perturbation.samples import superpixels
from compute.networks.classifier import place_of
from compute.scoring import entry as scores
from compute.scoring.causal import check
from compute.scoring.measures import measure
from compute.scoring.presentations import Method
from compute.scoring.ranking import entry_map, ranking, signed
from compute.store.png import png
from compute.sweep.asking import Answer, Asking, Case, Prepare, Prepared, Question, prepared
from compute.sweep.controlling import Controls, again_row, overlap5
from compute.sweep.rows import failure_row
from compute.sweep.turns import Stopped

Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Explained:
    """Rows by table, and seconds by explainer, of causal checks and of controls."""

    rows: Tables
    seconds: dict[str, float]


@dataclass(frozen=True)
class Explaining:
    """The stage that explains cases.

    Attributes:
        methods: in the order of the manifest.
        asking: how their explainers are asked.
        smooth: sigma of the presentation `smooth`, pixels at a side of 224.
        causal: whether explanations are checked by restoration and transplant.
        controls: those that are asked for (`controlling.CONTROLS`).
        repeats: how often explainers that draw are asked again, by other seeds.
    """

    methods: Sequence[Method]
    asking: Asking
    smooth: float
    causal: bool
    controls: Sequence[str]
    repeats: int = 0

    @cached_property
    def _controls(self) -> Controls:
        return Controls(self.asking, self._wanted())

    def prepare(self, case: Case) -> dict[Prepare, Prepared]:
        """What is wanted of a case's image beforehand; runs in another thread."""
        return prepared(case.rgb, self._wanted())

    def explain(self, case: Case, known: Mapping[Prepare, Prepared]) -> Explained:
        """Explain a case, LIME first: its unions say how many pixels pixel explainers may choose (paper, section 4).

        An explainer that raises, or returns something unusable, becomes a row of `failures`, as does a presentation
        that does not fit; the others go on. Without LIME's unions they could not be compared, though: where LIME fails,
        the case is left unexplained.
        """
        rows: Tables = {"explanations": [], "controls": [], "repeats": [], "images": [], "failures": []}
        seconds: dict[str, float] = {}
        sizes = scores.scheduled_sizes(case.region.size)
        question = Question(case.rgb, case.photo, case.target, case.case_id, known, region=case.region)
        first: dict[str, Explanation] = {}
        sized = any(method.name == "lime" for method in self.methods)
        for explainer, readings in self._by_explainer():
            names = [method.name for method in readings]
            with _failing(rows, case, names):
                answer = self.asking.ask(explainer, question)
                seconds[explainer.name] = answer.seconds
                for method in readings:
                    with _failing(rows, case, [method.name]):
                        found = self._present(method, answer, known)
                        entry = entry_map(found, sizes, self._ties(case, explainer))
                        checked = self._check(case, entry, seconds) if self.causal else {}
                        first[method.name] = found
                        _add(rows, case, method.name, entry, answer, found, checked)
                        if method.name == "lime":
                            sizes = scores.sizes_of(entry)
            if sized and "lime" not in first:
                return Explained(
                    {table: found if table == "failures" else [] for table, found in rows.items()}, seconds
                )
        for control in self.controls:
            with self._timed(seconds, "controls"):
                self._again(rows, case, question, first, sizes, control=control)
        for repeat in range(1, self.repeats + 1):
            with self._timed(seconds, "repeats"):
                again = replace(question, memories={}, repeat=repeat)
                self._again(rows, case, again, first, sizes, repeat=repeat)
        rows["images"].sort(key=lambda row: row["kind"])
        return Explained(rows, seconds)

    def _again(
        self,
        rows: Tables,
        case: Case,
        question: Question,
        first: Mapping[str, Explanation],
        sizes: scores.Sizes,
        **which: Any,
    ) -> None:
        """Score every explanation that there is against the same region, at the same sizes, asked otherwise.

        `which` is a control of explainers that are ranked, or a repeat of those that draw.
        """
        control = which.get("control")
        for explainer, readings in self._by_explainer():
            asked = [
                m
                for m in readings
                if m.name in first and (explainer.draws if control is None else not explainer.baseline)
            ]
            if not asked:
                continue
            with _failing(rows, case, [f"{method.name} ({next(iter(which.values()))})" for method in asked]):
                if control is None:
                    answer, known = self.asking.ask(explainer, question), question.prepared
                else:
                    answer, known = self._controls.ask(control, explainer, case, question)
                for method in asked:
                    found = self._present(method, answer, known)
                    entry = entry_map(found, sizes, self._ties(case, explainer, question.repeat))
                    row = again_row(case, method.name, found, entry, first[method.name], **which)
                    if control is None:
                        rows["repeats"].append({**row, "overlap5": overlap5(found, first[method.name])})
                    else:
                        rows["controls"].append(row)

    def _present(self, method: Method, answer: Answer, known: Mapping[Prepare, Prepared]) -> Explanation:
        segments = known[superpixels].value if method.needs_superpixels else None
        return method.present(answer.found, segments, self.smooth)

    def _by_explainer(self) -> list[tuple[Explainer, list[Method]]]:
        """Explainers with the methods that read them, LIME first, and LIME as it is before its presentations."""
        readings: dict[str, list[Method]] = {}
        for method in sorted(self.methods, key=lambda m: (m.explainer.name != "lime", m.presentation != "")):
            readings.setdefault(method.explainer.name, []).append(method)
        return [(methods[0].explainer, methods) for methods in readings.values()]

    def _wanted(self) -> set[Prepare]:
        wanted = {m.explainer.prepare for m in self.methods if m.explainer.prepare is not None}
        return wanted | {superpixels for m in self.methods if m.needs_superpixels}

    def _ties(self, case: Case, explainer: Explainer, repeat: int = 0) -> np.random.Generator:
        return np.random.default_rng(seed_of(self.asking.seed_of(case.case_id, explainer, repeat), "ties"))

    @contextlib.contextmanager
    def _timed(self, seconds: dict[str, float], stage: str) -> Iterator[None]:
        """Add to a stage's seconds what is done within, but for waiting."""
        started, waited = time.perf_counter(), self.asking.turns.waited
        yield
        took = time.perf_counter() - started - (self.asking.turns.waited - waited)
        seconds[stage] = seconds.get(stage, 0.0) + took

    def _check(self, case: Case, entry: scores.EntryMap, seconds: dict[str, float]) -> dict[str, Any]:
        """The causal checks of an entry map; their seconds are added to `seconds`."""
        asking = self.asking

        def in_batches(images: Tensor) -> Tensor:
            return torch.cat([asking.probabilities(some) for some in torch.split(images, asking.batch)])

        with asking.turns, self._timed(seconds, "causal"):
            return check(entry, case.rgb, case.photo, case.target, in_batches, place_of(asking.network))._asdict()


@contextlib.contextmanager
def _failing(rows: Tables, case: Case, names: Iterable[str]) -> Iterator[None]:
    """What goes wrong within becomes a row of `failures` for each of the names; one failure never ends a sweep."""
    try:
        yield
    except (Stopped, InputError):
        raise
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, Failed) else in_words(error)
        for name in names:
            rows["failures"].append(failure_row("explain", case.photo_id, reason, case_id=case.case_id, explainer=name))


def _add(
    rows: Tables,
    case: Case,
    name: str,
    entry: scores.EntryMap,
    answer: Answer,
    found: Explanation,
    checked: Mapping[str, Any],
) -> None:
    pixels, hits = scores.count(entry, case.region)
    rows["explanations"].append(
        {
            "case_id": case.case_id,
            "explainer": name,
            "seconds": answer.seconds,
            "passes": answer.passes,
            "pixels": pixels.tolist(),
            "hits": hits.tolist(),
            **measure(ranking(found), case.region, signed(found))._asdict(),
            **checked,
            "diagnostics": answer.diagnostics,
        }
    )
    rows["images"].append({"owner": case.case_id, "kind": f"entry:{name}", "png": png(entry)})
