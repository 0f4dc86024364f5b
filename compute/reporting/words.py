"""Figures in words: how a number, an interval and an answer are written, here and on the dashboard's pages."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from compute.reporting.intervals import LEAST_PHOTOS
from compute.reporting.statistics import Difference, Estimate, Summary

_LISTED = 6
"""Differences up to which an answer lists them all."""
FEW_PHOTOS = 30
"""Photos below which intervals are warned of."""


def counted(count: int, noun: str) -> str:
    """1 photo, 1,120 photos."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def aim(target: Mapping[str, Any]) -> str:
    """The manifest's target: wolf spider (77), or that each photo has its own."""
    return "random, one for each photo" if target["index"] is None else f"{target['name']} ({target['index']})"


def bracketed(low: float | None, high: float | None, *, digits: int = 2, sign: bool = False) -> str:
    """The one form of an interval, [2.16, 2.77]; nothing where an end is None or NaN."""
    if low is None or high is None or math.isnan(low) or math.isnan(high):
        return ""
    form = f"{'+' if sign else ''}z.{digits}f"  # z: no negative zero
    return f"[{low:{form}}, {high:{form}}]"


def stated(estimate: Estimate, *, digits: int, sign: bool = False) -> str:
    """0.123 [0.100, 0.150]; the mean alone where there is no interval."""
    mean = f"{estimate.mean:{'+' if sign else ''}z.{digits}f}"
    return f"{mean} {bracketed(estimate.low, estimate.high, digits=digits, sign=sign)}".strip()


def signed(estimate: Estimate, *, digits: int = 3) -> str:
    """+0.123 [+0.100, +0.150], or why there is no interval."""
    interval = bracketed(estimate.low, estimate.high, digits=digits, sign=True)
    return f"{estimate.mean:+z.{digits}f} {interval or f'(no interval: {_why_none(estimate.photos)})'}"


def sure(p: float | None) -> str:
    """How sure a difference is: p < 0.001, p = 0.031; nothing where it could not be tested."""
    return "" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def too_few(differences: Sequence[Difference]) -> str:
    """Why not one of the differences can be tested: "from 1 photo"; nothing where one can."""
    photos = max(d.estimate.photos for d in differences)
    return f"from {counted(photos, 'photo')}" if photos < LEAST_PHOTOS else ""


def few_photos(photos: int) -> str:
    """What intervals over so few photos are worth (tests/simulate_coverage.py); nothing where they are enough."""
    if photos >= FEW_PHOTOS:
        return ""
    only = f"Only {counted(photos, 'photo')} {'has' if photos == 1 else 'have'} cases"
    if photos < LEAST_PHOTOS:
        return f"{only}; intervals need {LEAST_PHOTOS}."
    return (
        f"{only}. Intervals over fewer than {FEW_PHOTOS} are wide and rest on little: in simulations of 3 to 20 "
        "photos, 92 to 100 of 100 held the truth instead of 95."
    )


def answer_r1(summary: Summary) -> str:
    """R1 in a sentence: is it possible to uncover substantial information about the location of the attack?"""
    found = summary.against_random
    if not found:
        return "R1 cannot be answered: no random baseline, or no case, in this store."
    if few := too_few(found):
        return f"R1 cannot be answered {few}."
    said = f"R1: clearly better than random: {_better(found)}."
    if summary.against_best:
        best = summary.against_best[0].second
        said += f" Better than the best baseline without a network, {best}: {_better(summary.against_best)}."
    return said


def answer_r2(summary: Summary) -> str:
    """R2 in a sentence: are there substantial differences between explainers?"""
    found = summary.between
    if not found:
        return "R2 cannot be answered: fewer than two ranked explainers have explained a case."
    if few := too_few(found):
        return f"R2 cannot be answered {few}."
    verdict = _of(sum(d.clear for d in found), len(found), "pair")
    if len(found) > _LISTED:
        ranks = {name: summary.explainers[name]["mean_rank_jaccard"].mean for name in summary.ranked}
        best = min(ranks, key=ranks.__getitem__)
        level = [({d.first, d.second} - {best}).pop() for d in found if best in (d.first, d.second) and not d.clear]
        behind = f"not clearly ahead of {', '.join(level)}" if level else "clearly ahead of all others"
        return f"R2: clearly different: {verdict} (mean ranks by Jaccard). {best} ranks best, {behind}."
    listed = "; ".join(f"{d.first} vs {d.second} {signed(d.estimate)} {sure(d.p)}".rstrip() for d in found)
    return f"R2: clearly different: {verdict} (difference of mean ranks by Jaccard, lower is better: {listed})."


def _better(differences: Sequence[Difference]) -> str:
    """How many are clearly better, and by how much, where they are few enough to be listed."""
    verdict = _of(sum(d.clear and d.estimate.mean > 0 for d in differences), len(differences), "explainer")
    if len(differences) > _LISTED:
        clear = [d.first for d in differences if d.clear and d.estimate.mean > 0]
        return f"{verdict} ({', '.join(clear)})" if 0 < len(clear) < len(differences) else verdict
    listed = "; ".join(f"{d.first} {signed(d.estimate)} {sure(d.p)}".rstrip() for d in differences)
    return f"{verdict} (mean Jaccard minus {differences[0].second}'s: {listed})"


def _of(found: int, total: int, noun: str) -> str:
    return f"{found or 'none'} of {counted(total, noun)}"


def _why_none(photos: int) -> str:
    return counted(photos, "photo") if photos < LEAST_PHOTOS else f"all {photos} photos agree"
