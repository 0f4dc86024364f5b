"""Aggregates of a store, as plain functions of a board; pages call them through `boards.cached`.

Ranges are half-open, as a selection's are, so that a bar's number is that of the cases behind it.
"""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from compute.reporting import intervals
from compute.reporting.comparison import Comparison, alike
from compute.reporting.comparison import board as compare_methods
from compute.reporting.statistics import Estimate, Summary, beyond_counts, summarise
from compute.store.schema import N_SIZES, at_size
from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.data.intervals import clustered_means
from dashboard.data.matching import column_of, lists, scored

SCORE_EDGES = np.round(np.arange(0, 1, 0.05), 2)
"""Lower ends of the bars of a distribution; the last has no upper end."""
DIFFERENCE_EDGES = np.round(np.arange(-1, 1, 0.05), 2)
"""The same of differences of scores."""
BANDS = 6


def summary(board: Board) -> Summary:
    """Table 1 and the answers to R1 and R2."""
    with board.cursor() as cursor:
        return summarise(cursor)


def measures_of_all(board: Board) -> dict[str, dict[str, Estimate]]:
    """Every measure of every method, by name."""
    with board.cursor() as cursor:
        more = beyond_counts(cursor)
    found = boards.cached(summary, board).explainers
    return {name: found[name] | more[name] for name in found}


def comparison(board: Board) -> Comparison | None:
    """Which ranked methods differ; None where nothing is explained."""
    with board.cursor() as cursor:
        explained = cursor.execute("select count(*) from case_methods").fetchone()
        return compare_methods(cursor) if explained and explained[0] and len(board.ranked) > 1 else None


def pairwise(board: Board) -> pd.DataFrame:
    """Every two ranked methods, the better one first: first, second, difference, p, won."""
    compared, means = boards.cached(comparison, board), boards.cached(measures_of_all, board)
    found = pd.DataFrame(compared.as_json() if compared else [], columns=["first", "second", "p", "won"])
    mean = {name: row["mean_jaccard"].mean for name, row in means.items() if "mean_jaccard" in row}
    found.insert(2, "difference", found["first"].map(mean) - found["second"].map(mean))
    return found


def cliques(board: Board, measure: str, methods: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Runs (first, last) of methods, best first by the measure, of which no two are told apart."""
    compared = boards.cached(comparison, board)
    if measure == "mean_jaccard" and compared and compared.methods == methods:
        return compared.cliques
    with board.cursor() as cursor:
        return alike(cursor, measure, methods, boards.cached(summary, board).between)


def would_rank(board: Board) -> dict[str, float]:
    """The mean rank (by Jaccard index) that each baseline would have, were it the only one to be ranked as well."""
    ranked = np.isin(board.explainers, boards.cached(summary, board).ranked)
    others = [i for i, name in enumerate(board.explainers) if name not in board.ranked]
    means = []
    for n in range(1, N_SIZES + 1):
        with board.cursor() as cursor:
            rows: pa.Table = cursor.sql(
                f"select {at_size(n)} as counts, region_pixels from case_counts join cases using (case_id)"
            ).to_arrow_table()
        counts = pc.list_flatten(rows["counts"]).combine_chunks()
        pixels, hits = (
            pc.cast(counts.field(name), pa.float64()).to_numpy(zero_copy_only=False).reshape(-1, len(ranked))
            for name in ("pixels", "hits")
        )
        scores = hits / (pixels + rows["region_pixels"].to_numpy()[:, None] - hits)
        scores = scores[~np.isnan(scores[:, ranked]).any(axis=1)]  # ranks are of cases that all have explained
        means.append([_rank(scores[:, [i]], scores[:, ranked]) for i in others])
    found = zip(others, np.mean(means, axis=0), strict=True)
    return {board.explainers[i]: float(mean) for i, mean in found if not np.isnan(mean)}


def _rank(own: npt.NDArray[np.float64], among: npt.NDArray[np.float64]) -> float:
    """The mean rank of scores, (cases, 1), among others, (cases, methods); NaN without any case."""
    known = ~np.isnan(own[:, 0])
    better = (among > own).sum(axis=1) + 0.5 * (among == own).sum(axis=1)
    return 1 + float(better[known].mean()) if known.any() else math.nan


def has_controls(board: Board) -> bool:
    """Whether explanations were asked for the own class too, and checked causally."""
    found = board.query(
        """select (select sum(class_cases) from specificity_sums) as controls, sum(checked) as checks
           from measure_sums"""
    )
    return bool((found.iloc[0].fillna(0) > 0).all())


def costs(board: Board) -> pd.DataFrame:
    """One row a method: explainer, passes and seconds (means over explanations), jaccard (mean)."""
    return board.query(
        """select explainer, avg(passes) as passes, avg(seconds) as seconds, avg(mean_jaccard) as jaccard
           from explanations join case_methods using (case_id, explainer) group by explainer order by explainer"""
    )


def counts(board: Board) -> dict[str, int]:
    """Rows of the store: photos, attempts, cases, failures; and `with_cases`, the photos that have one."""
    tables = ("photos", "attempts", "cases", "failures")
    rows = ", ".join(f"(select count(*) from {name}) as {name}" for name in tables)
    found = board.query(f"select {rows}, (select count(distinct photo_id) from cases) as with_cases")
    return {name: int(found[name].iloc[0]) for name in found.columns}


def curves(board: Board, measure: str) -> pd.DataFrame:
    """Mean score over cases by explainer and n: explainer, n, cases, mean, low, high, share (of the image, 0..1)."""
    with board.cursor() as cursor:  # a row holds all n: a large store has millions of single ones
        rows: pa.Table = cursor.sql(
            f"""select dense_rank() over (order by photo_id) - 1 as photo, explainer, cases,
                       {column_of(measure)} as total, share
                from photo_methods order by explainer"""
        ).to_arrow_table()
    who, names = pd.factorize(rows["explainer"].to_pandas())
    photo, sizes = rows["photo"].to_numpy(), range(1, N_SIZES + 1)
    totals, share, cases = np.zeros((3, photo.max(initial=-1) + 1, len(names), N_SIZES))
    for sums, column in ((totals, "total"), (share, "share")):
        sums[photo, who] = pc.list_flatten(rows[column]).to_numpy().reshape(-1, N_SIZES)
    cases[photo, who] = rows["cases"].to_numpy()[:, None]
    means = intervals.clustered_means(*(sums.reshape(len(sums), -1) for sums in (totals, cases)), bounds=(0, 1))
    found = pd.DataFrame(product(names, sizes), columns=["explainer", "n"])
    found["cases"] = cases.sum(axis=0).ravel().astype(int)
    for column in ("mean", "low", "high"):
        found[column] = getattr(means, column)
    return found.assign(share=(share.sum(axis=0) / cases.sum(axis=0)).ravel())


_TRAITS = {
    "case_id": "case_id", "photo_id": "photo_id", "photo_name": "photo_name", "clean_class": "clean_class",
    "region_share": "region_share::double", "target_confidence": "target_confidence::double", "linf": "linf::double",
}  # fmt: skip


def scores(board: Board, measure: str, n: str, *traits: str) -> pd.DataFrame:
    """One row a case and explainer: `explainer`, `score` (at its best n, its mean over n, or at one n), and traits."""
    asked = "".join(f", {_TRAITS[name]} as {name}" for name in traits)
    found = board.query(f"select position, score{asked} from ({scored(measure, n)}) join cases using (case_id)")
    names = pd.CategoricalDtype(board.explainers)  # a text for each of millions of rows would fill the memory
    found["explainer"] = pd.Categorical.from_codes(found.pop("position").to_numpy(), dtype=names)
    return found


def scores_above(board: Board, measure: str, n: str, minus: str, *traits: str) -> pd.DataFrame:
    """As `scores`; above that of the method `minus` in the same case, where one is named, without it."""
    if not minus:
        return scores(board, measure, n, *traits)
    found = scores(board, measure, n, "case_id", *traits)
    own = found["explainer"] == minus
    theirs = found["case_id"].map(found[own].set_index("case_id")["score"])
    return found.assign(score=found["score"] - theirs)[~own & theirs.notna()].drop(columns="case_id")


def distribution(board: Board, measure: str, n: str, minus: str = "") -> pd.DataFrame:
    """How many cases have a score within a bar: explainer, bar (its lower end), cases; empty bars left out."""
    found = scores_above(board, measure, n, minus)
    edges = DIFFERENCE_EDGES if minus else SCORE_EDGES
    found["bar"] = edges[place(found["score"], edges)]
    return found.groupby(["explainer", "bar"], as_index=False, observed=True).size().rename(columns={"size": "cases"})


def bands(board: Board, measure: str, n: str, column: str, minus: str = "") -> pd.DataFrame:
    """Mean score against a property of the case, in bands with about as many cases each.

    Returns:
        explainer, band, low, high (the band's ends; the last has none: NaN), middle (median of the property), cases,
        mean, mean_low, mean_high.
    """
    found = scores_above(board, measure, n, minus, "photo_id", column)
    edges = band_edges(found[column])
    found["band"] = place(found[column], edges)
    sums = found.groupby(["photo_id", "explainer", "band"], as_index=False, observed=True).agg(
        total=("score", "sum"), cases=("score", "size")
    )
    means = clustered_means(sums, ["explainer", "band"], (-1 if minus else 0, 1)).rename(
        columns={"low": "mean_low", "high": "mean_high"}
    )
    means["middle"] = means["band"].map(found.groupby("band")[column].median())
    ends = np.append(edges[1:], np.nan)
    means["low"], means["high"] = edges[means["band"]], ends[means["band"]]
    return means


def by_group(board: Board, measure: str, n: str, column: str, minus: str = "") -> pd.DataFrame:
    """Mean score by photo or original class: name, key (what a selection wants), explainer, cases, mean."""
    name, key = {"photo": ("photo_name", "photo_id"), "clean": ("clean_class", "clean_class")}[column]
    found = scores_above(board, measure, n, minus, *{name, key})
    found["name"], found["key"] = found[name], found[key]
    return found.groupby(["name", "key", "explainer"], as_index=False, observed=True).agg(
        mean=("score", "mean"), cases=("score", "size")
    )


def wins(board: Board, measure: str, n: str) -> pd.DataFrame:
    """Head to head on cases that both have explained: winner, loser, wins, ties, cases."""
    return board.query(
        f"""select winner, loser, count(*) as cases, count(*) filter (where one > other) as wins,
                   count(*) filter (where one = other) as ties
            from (
              select a.name as winner, b.name as loser, scores[a.position + 1] as one, scores[b.position + 1] as other
              from ({lists(measure, n)}), explainers a, explainers b where a.position <> b.position
            ) where one is not null and other is not null group by all"""
    )


def ranks(board: Board, measure: str) -> pd.DataFrame:
    """How often an explainer has a rank at n: explainer, n, rank, cases, share (of the cases, 0..1)."""
    return board.query(
        """select explainer, n, rank, cases, cases / sum(cases) over (partition by explainer, n) as share
           from rank_counts where measure = ? order by explainer, n, rank""",
        [measure],
    )


def case_means(board: Board) -> pd.DataFrame:
    """One row a case and explainer: case_id, photo_id, explainer, mean ranks (NaN for a baseline) and mean scores."""
    return board.query(
        """select case_id, photo_id, explainer, list_avg(rank_jaccard) as mean_rank_jaccard,
                  list_avg(rank_hamming) as mean_rank_hamming, mean_jaccard, mean_hamming, best_jaccard, best_hamming
           from case_methods"""
    )


def failures(board: Board) -> pd.DataFrame:
    """What failed or was skipped: stage, photo, case_id, explainer, reason."""
    return board.query("from failures order by stage, photo, case_id, explainer")


def band_edges(values: Sequence[float] | pd.Series) -> npt.NDArray[np.float64]:
    """Lower ends of at most BANDS bands with about as many values each: short numbers, the first below all values."""
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return np.zeros(1)
    edges = np.quantile(array, np.linspace(0, 1, BANDS, endpoint=False))
    digits = 3 if array.max() <= 1 else 0
    edges = np.round(edges, digits)
    edges[0] = np.floor(array.min() * 10**digits) / 10**digits
    return np.unique(edges)


def place(values: pd.Series, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Index of the half-open range [edge, next edge) that holds each value; the last range has no end."""
    return np.searchsorted(edges, values.to_numpy(float), side="right").clip(1) - 1
