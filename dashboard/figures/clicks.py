"""Figures whose marks lead to the cases behind them: every mark carries the query string of its selection."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec
from urllib.parse import parse_qsl, urlencode

import plotly.graph_objects as go
import streamlit as st

from dashboard import urls
from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.theme import BUTTONS

_P = ParamSpec("_P")


def target(selection: Selection) -> str:
    """What a mark that leads to these cases carries as its customdata."""
    return urlencode(selection.to_params())


def chart(draw: Callable[Concatenate[Board, _P], go.Figure], board: Board, *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Draw a figure of a board; a click on a mark that carries a selection opens Cases with it."""
    figure = boards.shared(draw, board, *args, **kwargs)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(fixedrange=True)  # a drag must not push the data out of sight, nor keep a swipe from scrolling
    event = st.plotly_chart(
        figure, key=f"chart-{draw.__name__}", on_select="rerun", selection_mode="points", config=BUTTONS
    )
    for point in event.selection.points:
        given = point.get("customdata")
        query = given[0] if isinstance(given, list) and given else given
        if isinstance(query, str) and query:
            urls.go("cases", **dict(parse_qsl(query)))
