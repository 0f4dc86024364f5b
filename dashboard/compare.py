"""Two stores side by side, on the cases that both have."""

from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from compute.errors import InputError
from dashboard import boards, figures_explainers, queries, tables, trouble, urls
from dashboard.boards import Board
from dashboard.intervals import clustered_means
from dashboard.theme import BUTTONS, MEASURES, explainer_name

COLUMNS = {
    "mean_rank_jaccard": "Mean rank, Jaccard",
    "mean_rank_hamming": "Mean rank, Hamming",
    "mean_jaccard": "Mean Jaccard",
    "mean_hamming": "Mean Hamming",
}
DIFFERENCE_EDGES = np.round(np.arange(-1, 1, 0.05), 2)


def overview(board: Board) -> None:
    """Choose another store; mean ranks and scores of both, with the differences. Nothing where there is one store."""
    other = _rival(board)
    if other is None:
        return
    found = boards.cached(differences, board, other)
    if _nothing_shared(found, other):
        return
    head = "<th>Explainer</th>" + "".join(
        f"<th>{escape(title)}<br><small>{escape(board.name)} | {escape(other.name)} | difference</small></th>"
        for title in COLUMNS.values()
    )
    rows = []
    for name in (n for n in board.explainers if n in set(found["explainer"])):
        cells = [tables.swatch(name, board.explainers)]
        for column in COLUMNS:
            row = found[(found["explainer"] == name) & (found["column"] == column)]
            cells.append(f"<td>{_difference(row)}</td>")
        rows.append("".join(cells))
    st.html(tables.table(head, rows))
    st.caption(
        f"{found['cases'].max():,} cases of the same photo and region rank in both stores. Difference: "
        f"{trouble.plain(other.name)} minus {trouble.plain(board.name)}, paired by case, 95 % over photos; "
        "bold where the interval excludes zero. Ranks are those within each store."
    )


def explainers(board: Board, measure: str, n: str) -> None:
    """Choose another store; how the scores of the same cases differ. Nothing where there is one store."""
    other = _rival(board)
    if other is None:
        return
    found = boards.cached(changes, board, other, measure, n)
    if _nothing_shared(found, other):
        return
    names = [name for name in board.explainers if name in set(found["explainer"])]
    title = f"{MEASURES[measure].short} in {other.name} minus {board.name}, per case"
    st.plotly_chart(figures_explainers.change_bars(found, names, title), key="changes", config=BUTTONS)
    lines = [
        f"{explainer_name(name)} {rows['mean'].iloc[0]:+.3f}{_interval(rows)}"
        for name in names
        for rows in [found[found["explainer"] == name]]
    ]
    st.caption("Mean difference, 95 % over photos: " + "; ".join(lines))


def differences(board: Board, other: Board) -> pd.DataFrame:
    """Means of the cases that both have.

    Returns:
        explainer, column (of COLUMNS), first, second, mean (of second - first), low, high, cases.
    """
    both = _joined(queries.case_means(board), queries.case_means(other))
    found = []
    for column in COLUMNS:
        rows = both.dropna(subset=[f"{column}_first", f"{column}_second"])
        if rows.empty:
            continue
        change = rows[f"{column}_second"] - rows[f"{column}_first"]
        means = _paired(rows.assign(change=change))
        sides = rows.groupby("explainer")[[f"{column}_first", f"{column}_second"]].mean()
        means["column"] = column
        means["first"] = means["explainer"].map(sides[f"{column}_first"])
        means["second"] = means["explainer"].map(sides[f"{column}_second"])
        found.append(means)
    return pd.concat(found) if found else pd.DataFrame(columns=["explainer", "cases"])


def changes(board: Board, other: Board, measure: str, n: str) -> pd.DataFrame:
    """How the score of a case changes from one store to the other.

    Returns:
        explainer, bar (index into DIFFERENCE_EDGES), size (cases in it); of the explainer: cases, mean, low, high.
    """
    both = _joined(queries.scores(board, measure, n), queries.scores(other, measure, n))
    rows = both.assign(change=both["score_second"] - both["score_first"])
    rows["bar"] = queries.place(rows["change"], DIFFERENCE_EDGES)
    bars = rows.groupby(["explainer", "bar"]).agg(size=("change", "size")).reset_index()
    return bars.merge(_paired(rows), on="explainer")


def _joined(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    return first.merge(second.drop(columns="photo_id"), on=["case_id", "explainer"], suffixes=("_first", "_second"))


def _paired(rows: pd.DataFrame) -> pd.DataFrame:
    sums = rows.groupby(["photo_id", "explainer"], as_index=False).agg(
        total=("change", "sum"), cases=("change", "size")
    )
    return clustered_means(sums, ["explainer"])


def _rival(board: Board) -> Board | None:
    stores = {name: path for name, path in boards.find(boards.root()).items() if name != board.name}
    if not stores:
        return None
    st.subheader("Side by side")
    name = st.selectbox(
        "Compare this store with",
        list(stores),
        index=None,
        placeholder="Choose another store",
        width=360,
        **urls.bound("compare", list(stores), None),
    )
    if name is None:
        return None
    try:
        return boards.open_board(name, stores[name])
    except InputError as error:
        st.warning("That store cannot be opened.", icon=":material/warning:")
        st.code(str(error), language=None, wrap_lines=True)
        return None


def _nothing_shared(found: pd.DataFrame, other: Board) -> bool:
    if found.empty:
        st.info(f"No case of this store is also in {trouble.plain(other.name)}: they share no photo and region rank.")
    return found.empty


def _difference(row: pd.DataFrame) -> str:
    if row.empty:
        return "-"
    first, second, mean, low, high = (float(row[c].iloc[0]) for c in ("first", "second", "mean", "low", "high"))
    text = f"{mean:+.2f}"
    clear = f"<b>{text}</b>" if low > 0 or high < 0 else text
    return f"{first:.2f} | {second:.2f} | {clear}<br><small>{_interval(row)}</small>"


def _interval(row: pd.DataFrame) -> str:
    low, high = float(row["low"].iloc[0]), float(row["high"].iloc[0])
    return "" if np.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
