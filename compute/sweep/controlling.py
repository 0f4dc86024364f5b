"""Ask for a case's explanations again, otherwise: its controls, and other seeds.

Controls are of the same image for the photo's own class (`class`), of the photo before the attack for the target
(`photo`), and of that for its own class (`clean`). What such an explanation scores as well is not about the attack.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from compute.explainers import Explainer, Explanation, Superpixels
from compute.networks.classifier import place_of
from compute.networks.engine import explaining_threads
from compute.scoring import entry as scores
from compute.scoring.measures import measure
from compute.scoring.ranking import likeness, ranking, signed
from compute.store import schema
from compute.sweep.asking import Answer, Asking, Case, Prepare, Prepared, Question, prepared

CONTROLS = {"none": (), "class": ("class",), "photo": ("photo", "clean"), "all": schema.CONTROLS}
"""Kinds of controls by the option `--controls`."""
BEST = 5
"""Superpixels whose overlap between seeds is told."""


class Controls:
    """Answers to the controls of cases; those about a photo serve all its regions."""

    def __init__(self, asking: Asking, wanted: Iterable[Prepare]) -> None:
        self._asking, self._wanted = asking, frozenset(wanted)
        self._kept = max(1, explaining_threads(place_of(asking.network)))
        self._lock, self._photos = threading.Lock(), OrderedDict[str, _Photo]()

    def ask(
        self, control: str, explainer: Explainer, case: Case, question: Question
    ) -> tuple[Answer, Mapping[Prepare, Prepared]]:
        """The explainer's answer to a control of a case's question, and what was prepared of its image."""
        if control == "class":
            return self._asking.ask(explainer, replace(question, target=case.own)), question.prepared
        target = case.target if control == "photo" else case.own
        photo, key = self._photo(case), (explainer.name, target)
        with photo.lock:
            if key not in photo.answers:
                photo.answers[key] = self._asking.ask(explainer, replace(photo.question, target=target))
            return photo.answers[key], photo.question.prepared

    def _photo(self, case: Case) -> "_Photo":
        """What is known of a case's photo; as many are kept as are explained at once."""
        with self._lock:
            if case.photo_id not in self._photos:
                known = prepared(case.photo, self._wanted)
                self._photos[case.photo_id] = _Photo(Question(case.photo, case.photo, 0, case.photo_id, known))
            self._photos.move_to_end(case.photo_id)
            while len(self._photos) > self._kept:
                self._photos.popitem(last=False)
            return self._photos[case.photo_id]


@dataclass(frozen=True)
class _Photo:
    """A question about a photo, but for its class, and the answers by explainer and class."""

    question: Question
    answers: dict[tuple[str, int], Answer] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def again_row(
    case: Case, method: str, found: Explanation, entry: scores.EntryMap, first: Explanation, **which: Any
) -> dict[str, Any]:
    """A row of `controls` or `repeats`; `first` is the explanation itself."""
    pixels, hits = scores.count(entry, case.region)
    values = ranking(found)
    whole = measure(values, case.region, signed(found))
    return {
        "case_id": case.case_id,
        "explainer": method,
        **which,
        "pixels": pixels.tolist(),
        "hits": hits.tolist(),
        "jaccard_at_region": whole.jaccard_at_region,
        "auroc": whole.auroc,
        "gini": whole.gini,
        **likeness(values, ranking(first), case.region)._asdict(),
    }


def overlap5(found: Explanation, first: Explanation) -> float | None:
    """The share of the best five superpixels that two explanations have in common; None where they have none such."""
    if not (isinstance(found, Superpixels) and isinstance(first, Superpixels)):
        return None
    best, before = set(found.ranked[:BEST]), set(first.ranked[:BEST])
    same = np.array_equal(found.segments, first.segments) and before
    return len(best & before) / len(before) if same else None
