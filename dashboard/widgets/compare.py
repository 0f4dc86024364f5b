"""Two stores side by side, on the cases that both have."""

from functools import partial

import pandas as pd
import streamlit as st

from compute.errors import InputError
from compute.reporting.statistics import CLEAR
from compute.reporting.tabular import frame_as_csv, latex
from compute.reporting.words import bracketed, counted
from dashboard import urls
from dashboard.data import boards, pairs
from dashboard.data.boards import Board
from dashboard.figures import clicks
from dashboard.figures import compare as figures_compare
from dashboard.text import html, markdown, visible
from dashboard.theme import explainer_name
from dashboard.widgets import tables


def overview(board: Board) -> None:
    """Choose another store; mean ranks and scores of both, with the differences. Nothing where there is one store."""
    other = _rival(board)
    if other is None:
        return
    found = boards.cached(pairs.differences, board, other)
    if _nothing_shared(found, other):
        return
    columns = {column: title for column, title in pairs.COLUMNS.items() if column in set(found["column"])}
    head = "<th>Explainer</th>" + "".join(
        f"<th>{html(title)}<br><small>{html(board.name)} | {html(other.name)} | difference</small></th>"
        for title in columns.values()
    )
    rows = []
    for name in dict.fromkeys(found["explainer"]):
        cells = [tables.swatch(name, board.explainers)]
        for column in columns:
            row = found[(found["explainer"] == name) & (found["column"] == column)]
            cells.append(f"<td>{_difference(row)}</td>")
        rows.append("".join(cells))
    st.html(tables.table(head, rows))
    _take(found, columns, f"{board.name}-{other.name}")
    st.caption(
        f"{counted(int(found['cases'].max()), 'case')} of the same photo and region rank in both stores. Difference: "
        f"{markdown(other.name)} minus {markdown(board.name)}, paired by case, 95 % over photos; "
        "bold where it is clear (p < 0.05 by Holm's method over the explainers)."
        + (
            " Mean ranks are left out: the stores rank different explainers."
            if len(columns) < len(pairs.COLUMNS)
            else ""
        )
    )


def explainers(board: Board, measure: str, n: str, drawn: tuple[str, ...]) -> None:
    """Choose another store; how the scores of the same cases differ. Nothing where there is one store."""
    other = _rival(board)
    if other is None:
        return
    found = boards.cached(pairs.changes, board, other, measure, n)
    if _nothing_shared(found, other):
        return
    names = tuple(name for name in drawn if name in set(found["explainer"]))
    if not names:
        st.info("The other store has none of the methods drawn here.")
        return
    clicks.chart(figures_compare.change_bars, board, other, measure, n, names)
    lines = [
        f"{markdown(explainer_name(name))} {rows['mean'].iloc[0]:+z.3f} {_interval(rows, 3)}".rstrip()
        for name in names
        for rows in [found[found["explainer"] == name]]
    ]
    st.caption("Mean difference, 95 % over photos: " + "; ".join(lines))


def _rival(board: Board) -> Board | None:
    stores = {name: path for name, path in boards.find(boards.root()).items() if name != board.name}
    if not stores:
        urls.choice("compare", [board.name], "")  # of a link to a folder of several
        return None
    if urls.text("compare") == board.name:  # the store that was chosen beside is the one that is open now
        del st.query_params["compare"]
    st.subheader("Side by side")
    name = st.selectbox(
        "Compare this store with",
        list(stores),
        index=None,
        format_func=visible,
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
        st.code(visible(error), language=None, wrap_lines=True)
        return None


def _take(found: pd.DataFrame, columns: dict[str, str], stem: str) -> None:
    """Offer the comparison as CSV, a row an explainer and column, and as LaTeX, as it is shown."""
    shown = found.assign(
        cell=[f"{row['mean']:+z.2f} {_ends(row['low'], row['high'], 2)}".rstrip() for _, row in found.iterrows()],
        Explainer=[visible(explainer_name(name)) for name in found["explainer"]],
        column=found["column"].map(columns),
    )
    shown = shown.pivot(index="Explainer", columns="column", values="cell").loc[shown["Explainer"].unique()]
    caption = f"{stem}: differences of means with 95 % intervals over photos, paired by case."
    cells = shown.fillna("--").reset_index()
    tables.take("Comparison", stem, partial(frame_as_csv, found), partial(latex, cells, caption))


def _nothing_shared(found: pd.DataFrame, other: Board) -> bool:
    if found.empty:
        st.info(f"No case of this store is also in {markdown(other.name)}: they share no photo and region rank.")
    return found.empty


def _difference(row: pd.DataFrame) -> str:
    if row.empty:
        return "-"
    first, second, mean, p = (float(row[c].iloc[0]) for c in ("first", "second", "mean", "p"))
    text = f"{mean:+z.2f}"
    clear = f"<b>{text}</b>" if p < CLEAR else text
    return f"{first:.2f} | {second:.2f} | {clear}<br><small>{_interval(row, 2)}</small>"


def _interval(row: pd.DataFrame, digits: int) -> str:
    return _ends(row["low"].iloc[0], row["high"].iloc[0], digits)


def _ends(low: float, high: float, digits: int) -> str:
    return bracketed(low, high, digits=digits, sign=True)
