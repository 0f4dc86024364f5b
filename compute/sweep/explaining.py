"""Explain one case with every explainer, read each explanation as its methods do, score it, and ask for its controls.

A control is the same explainer asked otherwise: of the same image for the photo's own class (`class`), of the photo
before the attack for the target (`photo`), and of that for its own class (`clean`). What it scores as well as the
explanation does is not about the attack.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from compute.errors import InputError, in_words
from compute.explainers import Explainer, Explanation
from compute.explainers.base import seed_of
from compute.explainers.guard import Failed
from compute.explainers.perturbation.samples import superpixels
from compute.scoring import entry as scores
from compute.scoring.causal import check
from compute.scoring.measures import gini, measure
from compute.scoring.presentations import Method
from compute.scoring.ranking import entry_map, likeness, ranking, signed
from compute.store import schema
from compute.store.png import png
from compute.store.schema import N_SIZES
from compute.sweep.asking import Answer, Asking, Bytes, Prepare, Prepared, Question, prepared
from compute.sweep.rows import failure_row
from compute.sweep.turns import Stopped

CONTROLS = {"none": (), "class": ("class",), "photo": ("photo", "clean"), "all": schema.CONTROLS}
"""Kinds of controls by the option `--controls`."""
Tables = dict[str, list[dict[str, Any]]]


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
        controls: those of `CONTROLS` that are asked for.
    """

    methods: Sequence[Method]
    asking: Asking
    smooth: float
    causal: bool
    controls: Sequence[str]
    _photos: "_Photos" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_photos", _Photos(self.asking, self._wanted()))

    def prepare(self, case: Case) -> dict[Prepare, Prepared]:
        """What is wanted of a case's image beforehand; runs in another thread."""
        return prepared(case.rgb, self._wanted())

    def explain(self, case: Case, known: Mapping[Prepare, Prepared]) -> Explained:
        """Explain a case, LIME first: its unions say how many pixels pixel explainers may choose (paper, section 4).

        An explainer that raises, or returns something unusable, becomes a row of `failures`, as does a presentation
        that does not fit; the others go on. Without LIME's unions they could not be compared, though: where LIME fails,
        the case is left unexplained.
        """
        rows: Tables = {"explanations": [], "scores": [], "controls": [], "images": [], "failures": []}
        seconds: dict[str, float] = {}
        sizes = scores.scheduled_sizes(case.region.size)
        question = Question(case.rgb, case.photo, case.target, case.case_id, known)
        shown: dict[str, Explanation] = {}
        for explainer, readings in self._by_explainer():
            try:
                answer = self.asking.ask(explainer, question)
            except (Stopped, InputError):
                raise
            except (Exception, SystemExit) as error:  # one failure never ends a sweep
                _fail(rows, case, [method.name for method in readings], error)
                if explainer.name == "lime":
                    return Explained(rows, seconds)
                continue
            seconds[explainer.name] = answer.seconds
            for method in readings:
                try:
                    found = self._present(method, answer, known)
                    entry = entry_map(found, sizes, self._ties(case, explainer))
                except (ValueError, TypeError, KeyError) as error:
                    _fail(rows, case, [method.name], error)
                    continue
                if method.name == "lime":
                    sizes = scores.sizes_of(entry)
                shown[method.name] = found
                checked = self._check(case, entry, seconds) if self.causal else {}
                _add(rows, case, method.name, entry, answer, found, checked)
        started, waited = time.perf_counter(), self.asking.turns.waited
        for control, answers in self._controls(case, question):
            self._control(rows, case, control, answers, shown, sizes)
        if self.controls:
            seconds["controls"] = time.perf_counter() - started - (self.asking.turns.waited - waited)
        rows["images"].sort(key=lambda row: row["kind"])
        return Explained(rows, seconds)

    def _controls(
        self, case: Case, question: Question
    ) -> Iterator[tuple[str, Callable[[Explainer], tuple[Answer, Mapping[Prepare, Prepared]]]]]:
        """Each control, and how an explainer answers it."""
        otherwise = Question(case.rgb, case.photo, case.own, case.case_id, question.prepared, question.memories)
        ways: dict[str, Callable[[Explainer], tuple[Answer, Mapping[Prepare, Prepared]]]] = {
            "class": lambda explainer: (self.asking.ask(explainer, otherwise), question.prepared),
            "photo": lambda explainer: self._photos.ask(explainer, case, case.target),
            "clean": lambda explainer: self._photos.ask(explainer, case, case.own),
        }
        return ((control, ways[control]) for control in self.controls)

    def _control(
        self,
        rows: Tables,
        case: Case,
        control: str,
        ask: Callable[[Explainer], tuple[Answer, Mapping[Prepare, Prepared]]],
        shown: Mapping[str, Explanation],
        sizes: scores.Sizes,
    ) -> None:
        """Score a control of every explanation that there is against the same region, at the same sizes."""
        for explainer, readings in self._by_explainer():
            asked = [m for m in readings if m.name in shown and not explainer.baseline]
            if not asked:
                continue
            try:
                answer, known = ask(explainer)
                for method in asked:
                    found = self._present(method, answer, known)
                    entry = entry_map(found, sizes, self._ties(case, explainer))
                    rows["controls"].append(_control_row(case, method.name, control, found, entry, shown[method.name]))
            except (Stopped, InputError):
                raise
            except (Exception, SystemExit) as error:
                _fail(rows, case, [f"{method.name} ({control})" for method in asked], error)

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

    def _ties(self, case: Case, explainer: Explainer) -> np.random.Generator:
        return np.random.default_rng(seed_of(self.asking.seed_of(case.case_id, explainer), "ties"))

    def _check(self, case: Case, entry: scores.EntryMap, seconds: dict[str, float]) -> dict[str, Any]:
        """The causal checks of an entry map; their seconds are added to `seconds`."""
        asking = self.asking

        def in_batches(images: Tensor) -> Tensor:
            return torch.cat([asking.probabilities(some) for some in torch.split(images, asking.batch)])

        with asking.turns:
            started = time.perf_counter()
            found = check(entry, case.rgb, case.photo, case.target, in_batches, asking.device)
            seconds["causal"] = seconds.get("causal", 0.0) + time.perf_counter() - started
        return found._asdict()


class _Photos:
    """Explanations of photos before the attack: one a photo, explainer and class, which serve all its regions.

    Only the latest photo's are kept.
    """

    def __init__(self, asking: Asking, wanted: Iterable[Prepare]) -> None:
        self._asking, self._wanted = asking, frozenset(wanted)
        self._lock, self._photo = threading.Lock(), ""
        self._question: Callable[[int], Question]
        self._answers: dict[tuple[str, int], Answer] = {}

    def ask(self, explainer: Explainer, case: Case, target: int) -> tuple[Answer, Mapping[Prepare, Prepared]]:
        """The explainer's answer about the photo of a case, and what was prepared of it."""
        with self._lock:
            if self._photo != case.photo_id:
                known = prepared(case.photo, self._wanted)
                self._question = partial(self._of, case, known, {})
                self._photo, self._answers = case.photo_id, {}
            question, key = self._question(target), (explainer.name, target)
            if key not in self._answers:
                self._answers[key] = self._asking.ask(explainer, question)
            return self._answers[key], question.prepared

    @staticmethod
    def _of(
        case: Case, known: Mapping[Prepare, Prepared], memories: dict[str, dict[str, Any]], target: int
    ) -> Question:
        return Question(case.photo, case.photo, target, case.photo_id, known, memories)


def _control_row(
    case: Case, name: str, control: str, found: Explanation, entry: scores.EntryMap, attacked: Explanation
) -> dict[str, Any]:
    pixels, hits = scores.count(entry, case.region)
    values, given = ranking(found), signed(found)
    whole = measure(values, case.region, given)
    return {
        **{"case_id": case.case_id, "explainer": name, "control": control},
        "jaccard": float((hits / (pixels + case.region.sum() - hits)).mean()),
        **{measured: getattr(whole, measured) for measured in ("jaccard_at_region", "auroc")},
        "gini": None if given is None else gini(given),
        **likeness(values, ranking(attacked), int(case.region.sum()))._asdict(),
    }


def _fail(rows: Tables, case: Case, names: Iterable[str], error: BaseException) -> None:
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
    who = {"case_id": case.case_id, "explainer": name}
    whole = measure(ranking(found), case.region, signed(found))._asdict()
    rows["explanations"].append(
        {**who, "seconds": answer.seconds, **whole, **checked, "diagnostics": answer.diagnostics}
    )
    counts = zip(*scores.count(entry, case.region), strict=True)
    rows["scores"] += [
        {**who, "n": n, "pixels": int(pixels), "hits": int(hits)}
        for n, (pixels, hits) in zip(range(1, N_SIZES + 1), counts, strict=True)
    ]
    rows["images"].append({"owner": case.case_id, "kind": f"entry:{name}", "png": png(entry)})
