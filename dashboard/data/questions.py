"""What can be asked of cases: their traits, the ranges and orders of these, and ready-made questions."""

from collections.abc import Collection
from dataclasses import dataclass

GRADIENTS = ("saliency", "guided_backprop")
MISSED = {"jaccard": 0.25, "hamming": 0.75}
"""Score below which an explanation counts as a miss in the questions, by measure."""

RANGES = {
    "score": ("low", "high"),
    "region_share": ("min_share", "max_share"),
    "target_confidence": ("min_conf", "max_conf"),
    "linf": ("min_linf", "max_linf"),
    "visibility": ("min_seen", "max_seen"),
    "r2": ("min_r2", "max_r2"),
    "spread": ("min_spread", "max_spread"),
}
"""Columns that can be limited to a range: the names of its two ends."""

TRAITS = {
    "region_share": ("Attacked region, share of the image", True),
    "visibility": ("Visibility of the attack (AUROC of the texture detector)", False),
    "target_confidence": ("Confidence in the target", False),
    "clean_confidence": ("Confidence before the attack", False),
    "entropy": ("Entropy of the photo's grey values, bits", False),
    "linf": ("Largest change of a channel, 1/255", True),
    "l2": ("Euclidean norm of the change", True),
    "iterations": ("Steps of the attack", True),
    "r2": ("R² of LIME's surrogate", False),
    "superpixels": ("Superpixels of LIME", True),
}
"""What a case has before anyone scores it, by column: (label, whether its axis is logarithmic)."""

ORDERS = {
    "high": ("Highest score", "score desc"),
    "low": ("Lowest score", "score asc"),
    "large": ("Largest region", "region_share desc"),
    "small": ("Smallest region", "region_share asc"),
    "sure": ("Most confident target", "target_confidence desc"),
    "weak": ("Weakest attack", "linf asc"),
    "strong": ("Strongest attack", "linf desc"),
    "gap": ("Widest gap between methods", "gap desc"),
    "seen": ("Most visible attack", "visibility desc"),
    "hidden": ("Least visible attack", "visibility asc"),
    "poor-fit": ("Poorest fit of LIME", "r2 asc"),
    "good-fit": ("Best fit of LIME", "r2 desc"),
    "unsteady": ("Widest spread over seeds", "spread desc"),
    "photo": ("Photo and region", "photo_name asc, region_rank asc"),
}
"""Orders by name: (label, SQL over `matching.PER_CASE`)."""
NEEDED = {"poor-fit": "lime", "good-fit": "lime"}
"""Orders that only a store with this method has."""


@dataclass(frozen=True)
class Question:
    """A ready-made question: its words, condition and order in SQL; of each group in `needs` the store has one."""

    title: str
    words: str
    condition: str
    order: str
    needs: tuple[tuple[str, ...], ...] = ()


QUESTIONS = {
    "lime-misses": Question(
        "LIME misses, gradients find it",
        "A gradient explainer scores higher than LIME; the widest gap comes first.",
        "gradient > lime",
        "gradient - lime desc",
        (("lime",), GRADIENTS),
    ),
    "everyone-misses": Question(
        "Everyone misses", "No ranked explainer reaches {missed}; the worst comes first.", "top < $missed", "top asc"
    ),
    "closest": Question(
        "Closest calls",
        "The smallest lead of the best explainer over the second best comes first.",
        "second is not null",
        "top - second asc",
    ),
    "disagreement": Question(
        "Largest disagreement",
        "The widest gap between the best and the worst ranked explainer comes first.",
        "second is not null",
        "gap desc",
    ),
    "worse-than-random": Question(
        "Worse than random",
        "The chosen explainer scores lower than the random baseline; the widest gap comes first.",
        "own < chance",
        "chance - own desc",
        (("random",),),
    ),
}


def questions(explainers: Collection[str]) -> dict[str, Question]:
    """The questions that a store with these explainers can answer."""
    return {k: q for k, q in QUESTIONS.items() if all(any(e in explainers for e in some) for some in q.needs)}
