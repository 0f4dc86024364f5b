"""Two stores on the cases that both have, as plain functions of two boards."""

import pandas as pd

from compute.reporting.intervals import holm
from dashboard.data import queries
from dashboard.data.boards import Board
from dashboard.data.intervals import clustered_means

COLUMNS = {
    "mean_rank_jaccard": "Mean rank, Jaccard",
    "mean_rank_hamming": "Mean rank, Hamming",
    "mean_jaccard": "Mean Jaccard",
    "mean_hamming": "Mean Hamming",
}


def differences(board: Board, other: Board) -> pd.DataFrame:
    """Means of the cases that both have.

    Returns:
        explainer, column (of COLUMNS), first, second, mean (of second - first), low, high, p (Holm's, over the
        explainers of a column), cases; within a column the best of `board` by mean Jaccard index first.
    """
    sides = queries.case_means(board), queries.case_means(other)
    field, others = (set(side.dropna(subset="mean_rank_jaccard")["explainer"]) for side in sides)
    both = _joined(*sides)
    found = []
    for column in COLUMNS:
        if column.startswith("mean_rank") and field != others:
            continue  # ranks among other explainers mean something else
        rows = both.dropna(subset=[f"{column}_first", f"{column}_second"])
        if rows.empty:
            continue
        change = rows[f"{column}_second"] - rows[f"{column}_first"]
        widest = len(field) - 1 if column.startswith("mean_rank") else 1
        means = _paired(rows.assign(change=change), widest)
        before_after = rows.groupby("explainer")[[f"{column}_first", f"{column}_second"]].mean()
        means["column"], means["p"] = column, holm(means["p"].to_numpy(float))
        means["first"] = means["explainer"].map(before_after[f"{column}_first"])
        means["second"] = means["explainer"].map(before_after[f"{column}_second"])
        found.append(means)
    if not found:
        return pd.DataFrame(columns=["explainer", "cases"])
    order = both.groupby("explainer")["mean_jaccard_first"].mean().sort_values(ascending=False).index.tolist()
    return pd.concat([means.sort_values("explainer", key=lambda names: names.map(order.index)) for means in found])


def changes(board: Board, other: Board, measure: str, n: str) -> pd.DataFrame:
    """How the score of a case changes from one store to the other.

    Returns:
        explainer, bar (index into queries.DIFFERENCE_EDGES), size (cases in it); of the explainer: cases, mean, low and
        high.
    """
    both = _joined(*(queries.scores(each, measure, n, "case_id", "photo_id") for each in (board, other)))
    rows = both.assign(change=both["score_second"] - both["score_first"])
    rows["bar"] = queries.place(rows["change"], queries.DIFFERENCE_EDGES)
    bars = rows.groupby(["explainer", "bar"]).agg(size=("change", "size")).reset_index()
    return bars.merge(_paired(rows), on="explainer")


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    return first.merge(second.drop(columns="photo_id"), on=["case_id", "explainer"], suffixes=("_first", "_second"))


def _paired(rows: pd.DataFrame, widest: float = 1) -> pd.DataFrame:
    sums = rows.groupby(["photo_id", "explainer"], as_index=False).agg(
        total=("change", "sum"), cases=("change", "size")
    )
    return clustered_means(sums, ["explainer"], (-widest, widest))
