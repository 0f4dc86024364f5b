"""The paper's questions answered in a sentence each, from a store's summary."""

from collections.abc import Sequence

from compute.scoring.statistics import Difference, Estimate, Summary
from dashboard.theme import explainer_name


def answer_r1(summary: Summary) -> tuple[str, str]:
    """Can explainers uncover where an attack was? A verdict, and the figures that support it."""
    found = summary.against_random
    if not found:
        return "Cannot be answered here", "There is no random baseline, or no case, in this store."
    better = [d for d in found if d.estimate.low is not None and d.estimate.low > 0]
    verdict = {0: "Not shown: no explainer is clearly better than random"}.get(
        len(better), f"Yes, for {_names(better)}" if len(better) < len(found) else "Yes: every explainer beats random"
    )
    figures = "; ".join(f"{explainer_name(d.first)} {signed(d.estimate)}" for d in found)
    return verdict, f"Mean Jaccard index above the random baseline's: {figures}."


def answer_r2(summary: Summary) -> tuple[str, str]:
    """Do explainers differ substantially? A verdict, and the figures that support it."""
    if not summary.between:
        return "Cannot be answered here", "Fewer than two ranked explainers have explained a case."
    ranks = {name: e["mean_rank_jaccard"].mean for name, e in summary.explainers.items() if "mean_rank_jaccard" in e}
    best = min(ranks, key=lambda name: ranks[name])
    apart = [d for d in summary.between if d.estimate.differs_from_zero]
    rivals = [d for d in summary.between if best in (d.first, d.second)]
    leads = all(d in apart for d in rivals)
    if leads:
        verdict = f"Yes: {explainer_name(best)} ranks clearly best"
    elif apart:
        verdict = f"In part: {len(apart)} of {len(summary.between)} pairs clearly differ"
    else:
        verdict = "Not shown: no pair of explainers clearly differs"
    figures = "; ".join(
        f"{explainer_name(d.first)} against {explainer_name(d.second)} {signed(d.estimate)}" for d in summary.between
    )
    return verdict, f"Difference of mean ranks by Jaccard index (below zero: the first ranks better): {figures}."


def signed(estimate: Estimate) -> str:
    """+0.12 [+0.10, +0.15]."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:+.2f} (no interval: one photo)"
    return f"{estimate.mean:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"


def _names(differences: Sequence[Difference]) -> str:
    return " and ".join(explainer_name(d.first) for d in differences)
