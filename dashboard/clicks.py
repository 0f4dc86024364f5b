"""Figures whose marks lead to the cases behind them: every mark carries the query string of its selection."""

from urllib.parse import parse_qsl, urlencode

import plotly.graph_objects as go
import streamlit as st

from dashboard import urls
from dashboard.selection import Selection
from dashboard.theme import BUTTONS


def target(selection: Selection) -> str:
    """What a mark that leads to these cases carries as its customdata."""
    return urlencode(selection.to_params())


def draw(figure: go.Figure, key: str) -> None:
    """Draw a figure; a click on a mark with customdata opens Cases with its selection."""
    event = st.plotly_chart(figure, key=key, on_select="rerun", selection_mode="points", config=BUTTONS)
    for point in event.selection.points:
        given = point.get("customdata")
        query = given[0] if isinstance(given, list) and given else given
        if isinstance(query, str) and query:
            urls.go("cases", **dict(parse_qsl(query)))
