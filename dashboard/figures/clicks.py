"""Figures whose marks lead to the cases behind them: every mark carries the query string of its selection."""

import re
from collections.abc import Callable
from functools import partial
from typing import Concatenate, ParamSpec
from urllib.parse import parse_qsl, urlencode

import plotly.graph_objects as go
import streamlit as st

from compute.reporting.words import counted
from dashboard import urls
from dashboard.data import boards, queries
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.text import markdown, visible
from dashboard.theme import CONFIG

_P = ParamSpec("_P")
WIDTHS = {85: "85 mm, one column", 175: "175 mm, two columns"}
FORMATS = ("svg", "pdf", "png")
_DOTS = """export default function ({ data, setTriggerValue }) {
  const tell = (event) => {
    const plot = event.target.closest?.(`.st-key-${data.chart} .js-plotly-plot`);
    const [name] = [plot?._hoverdata?.[0]?.customdata].flat();
    if (name) setTriggerValue("clicked", name);
  };
  addEventListener("click", tell);
  return () => removeEventListener("click", tell);
}"""
_listen = st.components.v2.component("wolfspider.dots", js=_DOTS)


def target(selection: Selection) -> str:
    """What a mark that leads to these cases carries as its customdata."""
    return urlencode(selection.to_params())


def chart(draw: Callable[Concatenate[Board, _P], go.Figure], board: Board, *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Draw a figure of a board, and offer it for a paper; a click on a mark with a selection opens Cases with it."""
    figure = boards.shared(still, board, draw, *args, **kwargs)
    name = draw.__name__
    event = st.plotly_chart(
        figure, key=f"chart-{name}", on_select="rerun", selection_mode="points", config=CONFIG, alt=about(draw)
    )
    take(figure, draw, board, *(a for a in args if isinstance(a, str)))
    for point in event.selection.points:
        given = point.get("customdata")
        query = given[0] if isinstance(given, list) and given else given
        if isinstance(query, str) and query:
            urls.go("cases", **dict(parse_qsl(query)))


def dot(chart: str) -> str:
    """What the dot that was just clicked carries as its first customdata, "" where none was.

    For a chart, by its key, in which a lasso may be drawn: Streamlit tells of the lasso alone there.
    """
    name = _listen(key=f"dots-{chart}", data={"chart": chart}, on_clicked_change=lambda: None).clicked
    return name if isinstance(name, str) else ""


def still(
    board: Board, draw: Callable[Concatenate[Board, _P], go.Figure], /, *args: _P.args, **kwargs: _P.kwargs
) -> go.Figure:
    """The figure as it stays: a drag must not push the data out of sight, nor keep a swipe from scrolling."""
    figure = draw(board, *args, **kwargs).update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
    fixed = figure.to_dict()
    figure.to_dict = lambda: fixed  # Streamlit asks at every run, and it takes up to 0.1 s
    return figure


def take(figure: go.Figure, draw: Callable[..., go.Figure], board: Board, *words: str) -> None:
    """Offer a figure for a paper, with its legend; its files are called by the store, the figure and the words."""
    name = draw.__name__
    with st.popover("Take this figure", icon=":material/download:", type="tertiary"):
        _downloads(figure, "-".join([board.name, name, *words]), name)
        st.code(caption(draw, board), language=None, wrap_lines=True)


def about(draw: Callable[..., go.Figure]) -> str:
    """What a figure shows: how its docstring begins."""
    return " ".join(re.split(r";|\.(?=\s|$)", draw.__doc__ or "")[0].split())


def caption(draw: Callable[..., go.Figure], board: Board) -> str:
    """A figure's legend: what it shows, as its docstring begins, and of what."""
    counts = boards.cached(queries.counts, board)
    network = visible(board.manifest["classifier"]["name"])
    return f"{about(draw)}. {network}, {counted(counts['cases'], 'case')} of {counted(counts['with_cases'], 'photo')}."


def _downloads(figure: go.Figure, stem: str, key: str) -> None:
    """Buttons, a column's width a row; a file is made when it is asked for."""

    def make(form: str, width: int) -> bytes:
        from dashboard.figures.paper import render  # here: Matplotlib takes half a second

        return render(figure, form, width)

    for width, title in WIDTHS.items():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(markdown(title), width="content")
            for form in FORMATS:
                st.download_button(
                    form.upper(), partial(make, form, width), file_name=f"{stem}-{width}mm.{form}",
                    key=f"{key}-{form}-{width}", on_click="ignore",
                )  # fmt: skip
