"""The paper's questions answered in a sentence each, from a store's summary."""

from collections.abc import Sequence
from dataclasses import replace

from compute.reporting.statistics import Difference, Summary
from compute.reporting.words import signed, sure, too_few
from dashboard.theme import explainer_name

MOST = 4
"""Differences that are told one by one."""
_UNANSWERED = "Cannot be answered here"


def of_the_paper(summary: Summary) -> Summary:
    """The summary as if the paper's three had been alone; the p-values of R1 stay those among all."""
    ranked = {name: summary.explainers[name] | found for name, found in summary.paper.items()}
    baselines = {n: found for n, found in summary.explainers.items() if found and "mean_rank_jaccard" not in found}
    return replace(
        summary,
        explainers=ranked | baselines,
        between=summary.paper_between,
        against_random=tuple(d for d in summary.against_random if d.first in ranked),
        against_best=tuple(d for d in summary.against_best if d.first in ranked),
    )


def answer_r1(summary: Summary) -> tuple[str, str]:
    """Can explainers uncover where an attack was? A verdict, and the figures that support it."""
    found = summary.against_random
    if not found:
        return _UNANSWERED, "There is no random baseline, or no case, in this store."
    better = [explainer_name(d.first) for d in _clearly_better(found)]
    if few := too_few(found):
        verdict = f"{_UNANSWERED}, {few}"
    elif not better:
        verdict = "Not shown: no explainer is clearly better than random"
    elif 1 < len(better) == len(found):
        verdict = "Yes: every explainer beats random"
    elif len(found) > MOST:
        verdict = f"In part: {len(better)} of {len(found)} methods clearly beat random"
    else:
        verdict = f"Yes, for {' and '.join(better)}"
    if len(found) <= MOST:
        figures = "; ".join(f"{explainer_name(d.first)} {_figures(d)}" for d in found)
        return verdict, f"Mean Jaccard index above the random baseline's: {figures}."
    return verdict, _against_best(summary.against_best)


def _against_best(found: Sequence[Difference]) -> str:
    """How methods fare against the best baseline without a network, in a sentence."""
    if not found or too_few(found):
        return "There is no other baseline to compare with."
    best = max(found, key=lambda d: d.estimate.mean)
    better = len(_clearly_better(found))
    return (
        f"Better than the best baseline without a network, {explainer_name(best.second)}: {better} of {len(found)}. "
        f"The nearest in mean Jaccard index is {explainer_name(best.first)}: {_figures(best)}."
    )


def _clearly_better(found: Sequence[Difference]) -> list[Difference]:
    return [d for d in found if d.clear and d.estimate.mean > 0]


def answer_r2(summary: Summary) -> tuple[str, str]:
    """Do explainers differ substantially? A verdict, and the figures that support it."""
    found = summary.between
    if not found:
        return _UNANSWERED, "Fewer than two ranked explainers have explained a case."
    ranks = {name: summary.explainers[name]["mean_rank_jaccard"].mean for name in summary.ranked}
    best = min(ranks, key=lambda name: ranks[name])
    apart = [d for d in found if d.clear]
    equals = [d for d in found if best in (d.first, d.second) and not d.clear]
    if few := too_few(found):
        verdict = f"{_UNANSWERED}, {few}"
    elif not equals:
        verdict = f"Yes: {explainer_name(best)} ranks clearly best"
    elif apart:
        verdict = f"In part: {_pairs(apart, found)}"
    else:
        verdict = "Not shown: no pair of explainers clearly differs"
    if len(found) <= MOST:
        figures = "; ".join(
            f"{explainer_name(d.first)} against {explainer_name(d.second)} {_figures(d)}" for d in found
        )
        return verdict, f"Difference of mean ranks by Jaccard index (below zero: the first ranks better): {figures}."
    others = [explainer_name(d.second if d.first == best else d.first) for d in equals]
    named = f"{', '.join(others[:MOST])}{f' and {len(others) - MOST} more' if len(others) > MOST else ''}"
    beside = f"; not told apart from it: {named}" if others else ", apart from all others"
    return verdict, f"{explainer_name(best)} has the best mean rank, {ranks[best]:.2f}{beside}."


def _figures(difference: Difference) -> str:
    return ", ".join(filter(None, (signed(difference.estimate, digits=2), sure(difference.p))))


def _pairs(apart: Sequence[Difference], found: Sequence[Difference]) -> str:
    return f"{len(apart)} of {len(found)} pairs clearly differ{'s' if len(apart) == 1 else ''}"
