"""Which methods differ: Friedman's test over all, Wilcoxon's over pairs, on photo means, since a photo's cases depend.

Mean-rank post-hoc tests (Nemenyi) depend on who else takes part (Benavoli et al. 2016, JMLR 17), so pairs are tested by
Wilcoxon's signed-rank test, with Holm's correction over all pairs.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
from scipy.stats import friedmanchisquare, wilcoxon

from compute.reporting.intervals import holm
from compute.reporting.statistics import CLEAR, Difference, per_photo
from compute.reporting.words import sure

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """All pairs of methods.

    Attributes:
        methods: best first.
        friedman: p of Friedman's test over the photos that all methods have; None for fewer than three methods.
        p: (methods, methods) of Wilcoxon's tests after Holm's correction; 1 on the diagonal.
        won: (methods, methods) share of cases where the row's method is better; ties count half; NaN without any.
        least: the smallest p that so many photos can give after the correction.
        cliques: runs of methods, as (first, last) in `methods`, within which no pair is told apart; longest ones only.
    """

    methods: tuple[str, ...]
    friedman: float | None
    p: Reals
    won: Reals
    least: float
    cliques: tuple[tuple[int, int], ...]

    def as_json(self) -> list[dict[str, Any]]:
        """One row a pair, better method first."""
        pairs = combinations(range(len(self.methods)), 2)
        return [
            {
                "first": self.methods[i],
                "second": self.methods[j],
                "p": float(self.p[i, j]),
                "won": None if np.isnan(self.won[i, j]) else float(self.won[i, j]),
            }
            for i, j in pairs
        ]


def in_words(found: Comparison) -> list[str]:
    """Friedman's test, and which methods are not told apart, a sentence each."""
    lines = []
    if found.friedman is not None:
        head = f"Friedman's test over {len(found.methods)} methods, by mean Jaccard index per photo"
        lines.append(f"{head}: {sure(found.friedman)}.")
    if found.least >= CLEAR:
        return [*lines, too_few(found)]
    named = ["; ".join(found.methods[first : last + 1]) for first, last in found.cliques]
    if named:
        lines.append(f"Not told apart (Wilcoxon's tests, Holm's method): {' | '.join(named)}.")
    return lines


def too_few(found: Comparison) -> str:
    """That its photos cannot tell any two of its methods apart; nothing where they can."""
    tests = f"any two of {len(found.methods)} methods apart by Wilcoxon's tests with Holm's method"
    return f"So few photos cannot tell {tests}." if found.least >= CLEAR else ""


def board(connection: duckdb.DuckDBPyConnection) -> Comparison:
    """The ranked methods of a store by mean Jaccard index, highest first (`Store.connect()`)."""
    means = per_photo(connection, "mean_jaccard").pivot(index="photo_id", columns="explainer", values="mean")
    overall = connection.execute(
        "select explainer from mean_ranks join explainers on name = explainer where not baseline "
        "order by mean_jaccard desc"
    ).fetchall()
    methods = tuple(name for (name,) in overall if name in means.columns)
    won = connection.execute("from wins").df().pivot(index="explainer", columns="rival", values="won")
    return compare(methods, means[list(methods)].to_numpy(), won.reindex(methods, columns=methods).to_numpy())


def alike(
    connection: duckdb.DuckDBPyConnection, measure: str, methods: Sequence[str], between: Iterable[Difference]
) -> tuple[tuple[int, int], ...]:
    """The cliques of methods, best first, by any measure: mean ranks by the tests of R2, all else by Wilcoxon's.

    Args:
        between: `Summary.between`, the differences of mean ranks.
    """
    if measure == "mean_rank_jaccard":
        apart = np.zeros((len(methods), len(methods)), bool)
        for found in between:
            i, j = methods.index(found.first), methods.index(found.second)
            apart[i, j] = apart[j, i] = found.clear
        return cliques(apart)
    means = per_photo(connection, measure).pivot(index="photo_id", columns="explainer", values="mean")
    return cliques(pairwise(means[list(methods)].to_numpy()) < CLEAR)


def compare(methods: tuple[str, ...], means: Reals, won: Reals) -> Comparison:
    """Compare methods, best first, by their means per photo.

    Args:
        methods: names, best first.
        means: (photos, methods) mean of the measure per photo; NaN where a photo has no case that a method explained.
        won: (methods, methods) share of cases won.
    """
    count = len(methods)
    whole = means[~np.isnan(means).any(axis=1)]
    friedman = None
    if count > 2 and len(whole) > 1:
        friedman = float(friedmanchisquare(*whole.T).pvalue)
    p = pairwise(means)
    least = min(1.0, 2.0 ** (1 - len(means)) * max(math.comb(count, 2), 1))  # all differences of one sign
    return Comparison(methods, friedman, p, won, least, cliques(p < CLEAR))


def pairwise(means: Reals) -> Reals:
    """(methods, methods) p of Wilcoxon's tests of means per photo, (photos, methods), after Holm's correction."""
    count = means.shape[1]
    raw = np.concatenate([np.empty(0), *(_wilcoxon(means[:, [i]] - means[:, i + 1 :]) for i in range(count))])
    p = np.ones((count, count))
    for (i, j), value in zip(combinations(range(count), 2), holm(raw), strict=True):
        p[i, j] = p[j, i] = value
    return p


def cliques(apart: npt.NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Longest runs (first, last) of at least two in which no pair is apart."""
    found: list[tuple[int, int]] = []
    for first in range(len(apart)):
        last = first
        while last + 1 < len(apart) and not apart[first : last + 1, last + 1].any():
            last += 1
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)


def _wilcoxon(differences: Reals) -> Reals:
    """(pairs,) p-values of (photos, pairs) differences; NaN where a photo tells nothing of a pair."""
    known = ~np.isnan(differences)
    p = np.ones(differences.shape[1])
    tested = (known.sum(axis=0) > 1) & (np.where(known, differences, 0) != 0).any(axis=0)
    whole = tested & known.all(axis=0)
    if whole.any():  # mostly all, and fifty times as fast together
        p[whole] = wilcoxon(differences[:, whole], axis=0).pvalue
    for pair in np.flatnonzero(tested & ~whole):
        p[pair] = wilcoxon(differences[known[:, pair], pair]).pvalue
    return p
