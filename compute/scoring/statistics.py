"""Means with intervals. Cases of one photo are not independent, so whole photos are resampled (cluster bootstrap)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb
import numpy as np
import numpy.typing as npt

MEASURES = ("mean_rank_jaccard", "mean_rank_hamming", "mean_jaccard", "mean_hamming")
_COLUMNS = {  # measure: (numerator, denominator) of the view photo_sums
    "mean_rank_jaccard": ("rank_jaccard", "ranked"),
    "mean_rank_hamming": ("rank_hamming", "ranked"),
    "mean_jaccard": ("jaccard", "scores"),
    "mean_hamming": ("hamming", "scores"),
}
FEW_PHOTOS = 10
"""Photos below which percentile intervals are too narrow to lean on."""

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval; `low` and `high` are None where fewer than two photos were resampled."""

    mean: float
    low: float | None
    high: float | None

    @property
    def differs_from_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Difference:
    """How a mean of `first` differs from that of `second` on the same cases: first - second."""

    first: str
    second: str
    measure: str
    estimate: Estimate


@dataclass(frozen=True)
class Summary:
    """Table 1 and the paper's two questions.

    Attributes:
        photos: photos with at least one case: the units of resampling.
        explainers: by explainer and measure; a baseline has no ranks.
        against_random: R1: mean Jaccard index of each explainer minus the baseline's; empty without a baseline.
        between: R2: difference of mean ranks (Jaccard) of every pair of ranked explainers.
    """

    photos: int
    explainers: dict[str, dict[str, Estimate]]
    against_random: tuple[Difference, ...]
    between: tuple[Difference, ...]


def summarise(connection: duckdb.DuckDBPyConnection, *, seed: int = 0) -> Summary:
    """Means, differences and their intervals from a store's connection (`Store.connect()`)."""
    named = connection.execute("select name, baseline from explainers order by position").fetchall()
    sums = connection.execute("select * from photo_sums order by photo_id, explainer").df()
    photos = sorted(set(sums["photo_id"]))
    weights = resamples(len(photos), seed=seed)

    def column(explainer: str, name: str) -> Reals:
        rows = sums[sums["explainer"] == explainer].set_index("photo_id")[name]
        return np.asarray(rows.reindex(photos).fillna(0.0), dtype=np.float64)

    def samples(explainer: str, measure: str) -> Reals:
        numerator, denominator = (column(explainer, name) for name in _COLUMNS[measure])
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios: Reals = (weights @ numerator) / (weights @ denominator)
        return ratios

    drawn = {(name, m): samples(name, m) for name, _ in named for m in MEASURES}
    explainers = {name: {m: _estimate(drawn[name, m]) for m in MEASURES} for name, _ in named}
    explainers = {n: {m: e for m, e in found.items() if not np.isnan(e.mean)} for n, found in explainers.items()}

    def difference(first: str, second: str, measure: str) -> Difference:
        return Difference(first, second, measure, _estimate(drawn[first, measure] - drawn[second, measure]))

    ranked = [name for name, baseline in named if not baseline and "mean_rank_jaccard" in explainers[name]]
    scored = [name for name, baseline in named if not baseline and "mean_jaccard" in explainers[name]]
    baselines = [name for name, baseline in named if baseline and "mean_jaccard" in explainers[name]]
    return Summary(
        len(photos),
        explainers,
        tuple(difference(name, baselines[0], "mean_jaccard") for name in scored) if baselines else (),
        tuple(difference(a, b, "mean_rank_jaccard") for a, b in combinations(ranked, 2)),
    )


def resamples(units: int, *, seed: int = 0) -> Reals:
    """(1 + R, units) weights: a row of ones, which gives the plain mean, then R bootstrap draws (1,000 to 10,000)."""
    if units == 0:
        return np.ones((1, 0))
    count = int(np.clip(4_000_000 // units, 1_000, 10_000)) if units > 1 else 0
    draws = np.random.default_rng(seed).multinomial(units, np.full(units, 1 / units), size=count)
    return np.vstack([np.ones((1, units)), draws])


def _estimate(samples: Reals) -> Estimate:
    """The plain mean (row 0) and the percentile interval of the draws; draws without any case are left out."""
    drawn = samples[1:][np.isfinite(samples[1:])]
    if drawn.size == 0:
        return Estimate(float(samples[0]), None, None)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(samples[0]), float(low), float(high))


def answer_r1(summary: Summary) -> str:
    """R1 in a sentence: is it possible to uncover substantial information about the location of the attack?"""
    if not summary.against_random:
        return "R1 cannot be answered: no random baseline, or no case, in this store."
    better = [d for d in summary.against_random if (d.estimate.low or 0) > 0]
    verdict = _verdict(len(better), len(summary.against_random), "explainers are clearly better than random")
    return f"R1: {verdict} (mean Jaccard minus random's: {_listed(summary.against_random)})."


def answer_r2(summary: Summary) -> str:
    """R2 in a sentence: are there substantial differences between explainers?"""
    if not summary.between:
        return "R2 cannot be answered: fewer than two ranked explainers have explained a case."
    apart = [d for d in summary.between if d.estimate.differs_from_zero]
    verdict = _verdict(len(apart), len(summary.between), "pairs of explainers clearly differ")
    return f"R2: {verdict} (difference of mean ranks by Jaccard, lower is better: {_listed(summary.between)})."


def _verdict(found: int, total: int, claim: str) -> str:
    return f"{'all' if found == total else 'none' if found == 0 else found} of {total} {claim}".replace("all of", "all")


def _listed(differences: Sequence[Difference]) -> str:
    pair = len({d.second for d in differences}) > 1 or differences[0].measure.startswith("mean_rank")
    return "; ".join(f"{d.first}{f' vs {d.second}' if pair else ''} {signed(d.estimate)}" for d in differences)


def signed(estimate: Estimate) -> str:
    """+0.123 [+0.100, +0.150]."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:+.3f} [no interval from one photo]"
    return f"{estimate.mean:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"
