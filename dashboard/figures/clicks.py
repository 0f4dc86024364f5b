"""Figures whose marks lead to the cases behind them: every mark carries the query string of its selection."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Concatenate, ParamSpec
from urllib.parse import parse_qsl, urlencode

import plotly.graph_objects as go
import streamlit as st

from compute.reporting.words import counted
from dashboard import urls
from dashboard.data import boards, queries
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.text import markdown, visible
from dashboard.theme import BOARD, CONFIG, MEASURES, explainer_name

_P = ParamSpec("_P")
WIDTHS = {85: "85 mm, one column", 175: "175 mm, two columns"}
FORMATS = ("svg", "pdf", "png")
CROWDED = 25
"""Names along the horizontal axis above which a figure can only be read in two columns."""
SAID: dict[str, Callable[[Any], str]] = {
    "explainer": explainer_name,
    "measure": lambda name: (BOARD | MEASURES)[name].name,
    "n": lambda n: {"best": "at the best n", "mean": "mean over n"}.get(n, f"at n = {n}"),
    "minus": lambda name: f"minus {explainer_name(name)}",
    "grouped": lambda _: "an explainer's presentations in one row",
    "alone": lambda _: "the paper's three among themselves",
    "first": lambda name: f"{name} first",
}
"""Words for what a figure can be asked, by the name of its parameter."""
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
    event = st.plotly_chart(
        figure, key=f"chart-{draw.__name__}", on_select="rerun", selection_mode="points", config=CONFIG, alt=about(draw)
    )
    if figure.layout.meta:
        st.caption(markdown(figure.layout.meta))
    take(figure, draw, board, inspect.signature(draw).bind(board, *args, **kwargs).arguments)
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


def take(
    figure: go.Figure, draw: Callable[..., go.Figure], board: Board, asked: Mapping[str, object], limits: str = ""
) -> None:
    """Offer a figure for a paper, with its legend; files are called by the store, the figure and what was asked.

    Args:
        asked: The arguments of `draw`, by name.
        limits: To which cases, in words.
    """
    name = draw.__name__
    with st.popover("Take this figure", icon=":material/download:", type="tertiary"):
        words = (key if value is True else value for key, value in asked.items() if value and key != "explainers")
        stem = "-".join([board.name, name, *(word for word in words if isinstance(word, str))])
        crowded = len(figure.layout.xaxis.ticktext or ()) > CROWDED
        downloads(partial(_rendered, figure), stem, name, [max(WIDTHS)] if crowded else WIDTHS)
        notes = " ".join(filter(None, [figure.layout.meta, f"Of cases with: {limits}." if limits else ""]))
        st.code(caption(draw, board, asked, notes), language=None, wrap_lines=True)


def about(draw: Callable[..., go.Figure]) -> str:
    """What a figure shows: how its docstring begins."""
    return " ".join(re.split(r";|\.(?=\s|$)", draw.__doc__ or "")[0].split())


def caption(draw: Callable[..., go.Figure], board: Board, asked: Mapping[str, object], notes: str) -> str:
    """A figure's legend: what it shows, as its docstring begins, by what it was asked, its notes, and of what."""
    counts = boards.cached(queries.counts, board)
    said = ", ".join(say(asked[name]) for name, say in SAID.items() if asked.get(name))
    network = visible(board.manifest["classifier"]["name"])
    cases = f"{counted(counts['cases'], 'case')} of {counted(counts['with_cases'], 'photo')}"
    return " ".join(
        filter(None, [f"{about(draw)}{': ' if said else ''}{said}.", visible(notes), f"{network}, {cases}."])
    )


def downloads(make: Callable[[str, int], bytes], stem: str, key: str, widths: Iterable[int] = WIDTHS) -> None:
    """Buttons, a column's width a row; a file of a form and a width is made when it is asked for."""
    for width in widths:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(markdown(WIDTHS[width]), width="content")
            for form in FORMATS:
                st.download_button(
                    form.upper(), partial(make, form, width), file_name=f"{stem}-{width}mm.{form}",
                    key=f"{key}-{form}-{width}", on_click="ignore",
                )  # fmt: skip


def _rendered(figure: go.Figure, form: str, width: int) -> bytes:
    from dashboard.figures.paper import render  # here: Matplotlib takes half a second

    return render(figure, form, width)
