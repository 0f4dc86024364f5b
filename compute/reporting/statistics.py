"""Table 1 and the differences that the paper's two questions are about, with intervals over photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import duckdb
import numpy as np
import pandas as pd

from compute.reporting.intervals import Means, Reals, clustered_means, clustered_shares, holm

MEASURES = ("mean_rank_jaccard", "mean_rank_hamming", "mean_jaccard", "mean_hamming")
_COLUMNS = {  # measure: (numerator, denominator) of the view photo_sums
    "mean_rank_jaccard": ("rank_jaccard", "ranked"),
    "mean_rank_hamming": ("rank_hamming", "ranked"),
    "mean_jaccard": ("jaccard", "scores"),
    "mean_hamming": ("hamming", "scores"),
}
_WHOLE = {  # measure of a whole ranking: (bounds, or None of a share of cases; its denominator), of measure_sums
    "jaccard_at_region": ((0, 1), "cases"),
    "rank_accuracy": ((0, 1), "cases"),
    "chance_corrected": ((-1, 1), "cases"),
    "auroc": ((0, 1), "cases"),
    "average_precision": ((0, 1), "cases"),
    "pointing": (None, "cases"),
    "mass": ((0, 1), "massed"),
    "restored": (None, "checked"),
}
_SPECIFIC = {  # likewise, of the view specificity_sums
    "specificity_class": ((-1, 1), "class_cases"),
    "specificity_photo": ((-1, 1), "photo_cases"),
    "clean_correlation": ((-1, 1), "clean_cases"),
}
ORACLE = "oracle@superpixels"
"""A ceiling, which is told the region; not a baseline that one could do better than."""
CLEAR = 0.05
"""A difference is clear where its adjusted p-value is smaller."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval over photos; `low` and `high` are None where `intervals.Means` has none."""

    mean: float
    low: float | None
    high: float | None
    photos: int


@dataclass(frozen=True)
class Difference:
    """How a mean of `first` differs from that of `second` on the cases that both have explained: first - second.

    `p` is Holm's adjusted p-value over all differences of the same question; None where there are too few photos.
    """

    first: str
    second: str
    measure: str
    estimate: Estimate
    p: float | None

    @property
    def clear(self) -> bool:
        """Whether there is a difference, as sure as a 95 % interval is."""
        return self.p is not None and self.p < CLEAR


@dataclass(frozen=True)
class Summary:
    """Table 1 and the paper's two questions.

    Attributes:
        photos: photos with at least one case: the units of resampling.
        explainers: by explainer and measure; a baseline has no ranks.
        paper: Table 1: mean ranks of the paper's three among themselves; empty where a store lacks one of them.
        paper_between: differences of these.
        against_random: R1: mean Jaccard index of each explainer minus random's; empty without it.
        against_best: the same minus that of the best baseline without a network; empty where random is the only one.
        between: R2: difference of mean ranks (Jaccard) of every pair of ranked explainers.
    """

    photos: int
    explainers: dict[str, dict[str, Estimate]]
    paper: dict[str, dict[str, Estimate]]
    paper_between: tuple[Difference, ...]
    against_random: tuple[Difference, ...]
    against_best: tuple[Difference, ...]
    between: tuple[Difference, ...]

    @property
    def ranked(self) -> list[str]:
        """Explainers that have ranks."""
        return [name for name, found in self.explainers.items() if "mean_rank_jaccard" in found]


def summarise(connection: duckdb.DuckDBPyConnection) -> Summary:
    """Means, differences and their intervals from a store's connection (`Store.connect()`)."""
    named = connection.execute("select name from explainers order by position").fetchall()
    names = [name for (name,) in named]
    sums = connection.execute("from photo_sums order by photo_id, explainer").df()
    columns = _photos_by(sums, names, *{c for pair in _COLUMNS.values() for c in pair})
    ranked = [i for i, cases in enumerate(columns["ranked"].T) if cases.any()]
    explainers: dict[str, dict[str, Estimate]] = {name: {} for name in names}
    for measure, (total, cases) in _COLUMNS.items():
        bounds = (1, len(ranked)) if total.startswith("rank") else (0, 1)
        means = clustered_means(columns[total], columns[cases], bounds=bounds)
        for i, name in enumerate(names):
            if means.photos[i]:
                explainers[name][measure] = _estimate(means, i)

    query = "select name from explainers where baseline and name <> ?"
    baselines = [name for (name,) in connection.execute(query, [ORACLE]).fetchall()]
    means_of = {name: explainers[name]["mean_jaccard"].mean for name in baselines if "mean_jaccard" in explainers[name]}
    best = max(means_of, key=means_of.__getitem__, default="")
    pairs = list(combinations(ranked, 2))
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    ranks, widest = columns["rank_jaccard"], len(ranked) - 1
    apart = clustered_means(
        ranks[:, first] - ranks[:, second], columns["ranked"][:, first], bounds=(-widest, widest)
    )  # ranks are of cases that all ranked explainers share
    return Summary(
        len(columns["scores"]),
        explainers,
        *_paper(connection, names),
        _against(connection, "random"),
        _against(connection, best) if best not in ("", "random") else (),
        _differences([(names[a], names[b]) for a, b in pairs], "mean_rank_jaccard", apart),
    )


def differences_to(connection: duckdb.DuckDBPyConnection, rival: str) -> tuple[Difference, ...]:
    """Mean Jaccard index of every other method minus a rival's, on the cases that both have explained."""
    sums = connection.execute(
        """select a.photo_id, a.explainer, count(*) as cases, sum(a.mean_jaccard - b.mean_jaccard) as jaccard
           from case_methods a join case_methods b using (case_id) where b.explainer = $1 and a.explainer <> $1
           group by all order by all""",
        [rival],
    ).df()
    names = sums["explainer"].unique().tolist()
    means = clustered_means(*_photos_by(sums, names, "jaccard", "cases").values(), bounds=(-1, 1))
    return _differences([(name, rival) for name in names], "mean_jaccard", means)


def beyond_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Estimate]]:
    """Measures of whole rankings, by explainer; `restored` is the share of attacks that P_1 undoes."""
    names = [name for (name,) in connection.execute("select name from explainers order by position").fetchall()]
    found: dict[str, dict[str, Estimate]] = {name: {} for name in names}
    for view, measures in (("measure_sums", _WHOLE), ("specificity_sums", _SPECIFIC)):
        sums = connection.execute(f"from {view} order by photo_id, explainer").df()
        columns = _photos_by(sums, names, *measures, *{over for _, over in measures.values()})
        for measure, (bounds, over) in measures.items() if len(sums) else ():
            totals, cases = columns[measure], columns[over]
            means = clustered_means(totals, cases, bounds=bounds) if bounds else clustered_shares(totals, cases)
            for i, name in enumerate(names):
                if means.photos[i]:
                    found[name][measure] = _estimate(means, i)
    return found


def per_photo(connection: duckdb.DuckDBPyConnection, measure: str) -> pd.DataFrame:
    """A measure's mean for each photo and explainer, whose differences are tested: photo_id, explainer, mean."""
    if measure in _COLUMNS:
        view, (total, over) = "photo_sums", _COLUMNS[measure]
    elif measure in _WHOLE:
        view, total, over = "measure_sums", measure, _WHOLE[measure][1]
    else:
        view, total, over = "specificity_sums", measure, _SPECIFIC[measure][1]
    query = f"select photo_id, explainer, {total} / {over} as mean from {view} where {over} > 0 order by all"
    return connection.execute(query).df()


@dataclass(frozen=True)
class Spread:
    """How much a method's scores depend on the seed.

    Attributes:
        seeds: by which it was asked.
        cases: that all of them have.
        sd: standard deviation over seeds of the mean Jaccard index.
        case_sd: that of a case's mean Jaccard index (root mean square over cases).
        overlap5: share of the best five superpixels that two seeds have in common; None for maps of pixels.
    """

    seeds: int
    cases: int
    sd: float
    case_sd: float
    overlap5: float | None


def spread_over_seeds(connection: duckdb.DuckDBPyConnection) -> dict[str, Spread]:
    """By method, of those that draw; empty where a sweep had a single seed."""
    query = "select explainer, seeds, cases, sd, case_sd, overlap5 from seed_spread order by explainer"
    return {name: Spread(*found) for name, *found in connection.execute(query).fetchall()}


def _paper(
    connection: duckdb.DuckDBPyConnection, names: list[str]
) -> tuple[dict[str, dict[str, Estimate]], tuple[Difference, ...]]:
    sums = connection.execute("from paper_sums order by photo_id, explainer").df()
    explained = set(sums["explainer"].unique())
    found: dict[str, dict[str, Estimate]] = {name: {} for name in names if name in explained}
    columns = _photos_by(sums, list(found), "rank_jaccard", "rank_hamming", "ranked")
    ranks, cases = columns["rank_jaccard"], columns["ranked"]
    for measure in ("rank_jaccard", "rank_hamming"):
        means = clustered_means(columns[measure], cases, bounds=(1, 3))
        for i, name in enumerate(found):
            found[name][f"mean_{measure}"] = _estimate(means, i)
    if not found:
        return {}, ()
    pairs = list(combinations(found, 2))
    first, second = ([list(found).index(pair[side]) for pair in pairs] for side in (0, 1))
    apart = clustered_means(ranks[:, first] - ranks[:, second], cases[:, first], bounds=(-2, 2))
    return found, _differences(pairs, "mean_rank_jaccard", apart)


def _against(connection: duckdb.DuckDBPyConnection, baseline: str) -> tuple[Difference, ...]:
    query = """select s.* from baseline_sums s join explainers on name = explainer
               where s.baseline = ? order by position, photo_id"""
    sums = connection.execute(query, [baseline]).df()
    if sums.empty:
        return ()
    names = sums["explainer"].unique().tolist()
    better = clustered_means(*_photos_by(sums, names, "jaccard", "cases").values(), bounds=(-1, 1))
    return _differences([(name, baseline) for name in names], "mean_jaccard", better)


def _photos_by(sums: pd.DataFrame, names: list[str], *columns: str) -> dict[str, Reals]:
    """(photos, names) by column of per-photo sums, photos in order; 0 where an explainer has none of a photo."""
    sums = sums[sums["explainer"].isin(names)]
    photo, photos = pd.factorize(sums["photo_id"], sort=True)
    explainer = pd.Index(names).get_indexer(pd.Index(sums["explainer"]))
    tables = np.zeros((len(columns), len(photos), len(names)))
    tables[:, photo, explainer] = sums[list(columns)].to_numpy(np.float64).T
    return dict(zip(columns, tables, strict=True))


def _differences(pairs: Sequence[tuple[str, str]], measure: str, means: Means) -> tuple[Difference, ...]:
    adjusted = [None if np.isnan(p) else float(p) for p in holm(means.p)]
    return tuple(
        Difference(first, second, measure, _estimate(means, i), adjusted[i]) for i, (first, second) in enumerate(pairs)
    )


def _estimate(means: Means, group: int) -> Estimate:
    low, high = (None if np.isnan(end[group]) else float(end[group]) for end in (means.low, means.high))
    return Estimate(float(means.mean[group]), low, high, int(means.photos[group]))
