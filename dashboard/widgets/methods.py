"""Which methods a page's charts draw, where a store has more than can be told apart."""

import streamlit as st

from compute.reporting.statistics import ORACLE
from dashboard import urls
from dashboard.data import boards, queries
from dashboard.data.boards import Board
from dashboard.text import visible
from dashboard.theme import explainer_name

MOST = 9
"""Methods up to which charts draw all."""
FIRST = 6
"""The best methods, drawn at first where there are more; a baseline joins them."""
SEPARATOR = ","


def chosen(board: Board) -> tuple[str, ...]:
    """The methods to draw, in the order of the store; the URL remembers them."""
    if len(board.explainers) <= MOST:
        return tuple(board.explainers)

    def write() -> None:
        st.query_params["drawn"] = SEPARATOR.join(st.session_state["drawn"])

    asked = [name for name in urls.text("drawn").split(SEPARATOR) if name]
    if not set(asked) <= set(board.explainers):
        urls.refuse("drawn")
    st.session_state["drawn"] = [n for n in board.explainers if n in asked] or boards.cached(first, board)
    st.multiselect(
        "Methods to draw",
        board.explainers,
        format_func=lambda name: visible(explainer_name(name)),
        key="drawn",
        on_change=write,
    )
    return tuple(name for name in board.explainers if name in st.session_state["drawn"])


def first(board: Board) -> list[str]:
    """The best methods by mean Jaccard index and the best baseline, in the order of the store."""
    summary = boards.cached(queries.summary, board)
    means = {name: found["mean_jaccard"].mean for name, found in summary.explainers.items() if found}
    best = sorted(means, key=means.__getitem__, reverse=True)
    baselines = [name for name in best if name not in board.ranked and name != ORACLE]
    picked = [name for name in best if name in board.ranked][:FIRST] + baselines[:1]
    return [name for name in board.explainers if name in picked]
