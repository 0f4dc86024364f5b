"""The paper's questions answered in a sentence each, from a store's summary."""

from collections.abc import Sequence

from compute.scoring.statistics import Difference, Summary
from compute.scoring.words import signed, sure, too_few
from dashboard.theme import explainer_name

_UNANSWERED = "Cannot be answered here"


def answer_r1(summary: Summary) -> tuple[str, str]:
    """Can explainers uncover where an attack was? A verdict, and the figures that support it."""
    found = summary.against_random
    if not found:
        return _UNANSWERED, "There is no random baseline, or no case, in this store."
    better = [explainer_name(d.first) for d in found if d.clear and d.estimate.mean > 0]
    if few := too_few(found):
        verdict = f"{_UNANSWERED}, {few}"
    elif not better:
        verdict = "Not shown: no explainer is clearly better than random"
    elif 1 < len(better) == len(found):
        verdict = "Yes: every explainer beats random"
    else:
        verdict = f"Yes, for {' and '.join(better)}"
    figures = "; ".join(f"{explainer_name(d.first)} {_figures(d)}" for d in found)
    return verdict, f"Mean Jaccard index above the random baseline's: {figures}."


def answer_r2(summary: Summary) -> tuple[str, str]:
    """Do explainers differ substantially? A verdict, and the figures that support it."""
    found = summary.between
    if not found:
        return _UNANSWERED, "Fewer than two ranked explainers have explained a case."
    ranks = {name: summary.explainers[name]["mean_rank_jaccard"].mean for name in summary.ranked}
    best = min(ranks, key=lambda name: ranks[name])
    apart = [d for d in found if d.clear]
    if few := too_few(found):
        verdict = f"{_UNANSWERED}, {few}"
    elif all(d.clear for d in found if best in (d.first, d.second)):
        verdict = f"Yes: {explainer_name(best)} ranks clearly best"
    elif apart:
        verdict = f"In part: {_pairs(apart, found)}"
    else:
        verdict = "Not shown: no pair of explainers clearly differs"
    figures = "; ".join(f"{explainer_name(d.first)} against {explainer_name(d.second)} {_figures(d)}" for d in found)
    return verdict, f"Difference of mean ranks by Jaccard index (below zero: the first ranks better): {figures}."


def _figures(difference: Difference) -> str:
    return f"{signed(difference.estimate, digits=2)} {sure(difference.p)}".rstrip()


def _pairs(apart: Sequence[Difference], found: Sequence[Difference]) -> str:
    return f"{len(apart)} of {len(found)} pairs clearly differ{'s' if len(apart) == 1 else ''}"
