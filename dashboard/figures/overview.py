"""Plotly figures of the Overview; fonts, grid and background follow the visitor's theme, which Streamlit applies."""

import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compute.reporting.report import PAPER, paper_ranks
from compute.reporting.statistics import Estimate
from compute.reporting.words import bracketed
from dashboard.data import boards, queries
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.figures.clicks import target
from dashboard.text import plotly
from dashboard.theme import MEASURES, NEUTRAL, SYMBOLS, colours, dashes, distinct, explainer_name, fade, presentation_of

LEGEND = {"orientation": "h", "yanchor": "bottom", "y": 1.06, "xanchor": "left", "x": 0, "title": None}
LETTER = 5.6
"""Pixels of a letter in the name of a tick, on average, and rather more than less."""
RESAMPLED = "95 % intervals over photos: whole photos are resampled, since cases of one photo are not independent."
SIZE_TITLE = "Explanation size n"
SHARE_TITLE = "Explanation size,<br>% of the pixels"


def finish(figure: go.Figure, height: int, **layout: object) -> go.Figure:
    """The common frame of all figures: height in pixels, margins, a legend above, and as `meta` its notes, if any.

    Margins hold the titles and names of the axes, and Plotly widens what is too narrow; but then it draws a figure
    twice, as it measures every tick's name unless all are allowed to reach over the edge.
    """
    names = figure.layout.yaxis.ticktext or ()
    lines = [len(line) for name in names for line in name.split("<br>")]
    margin = {"l": 20 + LETTER * max(lines) if lines else 72, "r": 8, "t": 56, "b": 64}
    figure.update_layout(height=height, legend=LEGEND, margin=margin, hovermode="closest")
    figure.update_layout(**layout)
    figure.update_xaxes(automargin=True, ticklabeloverflow="allow")
    figure.update_yaxes(automargin=True, ticklabeloverflow="allow")
    return figure


def whole(most: float) -> dict[str, int]:
    """What keeps an axis of counts from having ticks between them, which Plotly sets where there are but a few."""
    return {"dtick": 1} if most < 5 else {}


def records(rows: pd.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The rows as tuples of Python values of these columns."""
    return list(zip(*(rows[column].tolist() for column in columns), strict=True))


def label(name: str) -> str:
    """An explainer's name as Plotly may show it."""
    return plotly(explainer_name(name))


def wrapped(name: str, width: int) -> str:
    """The same in lines of about so many letters."""
    return "<br>".join(
        map(plotly, textwrap.wrap(explainer_name(name), width, break_on_hyphens=False, break_long_words=False))
    )


def line_up(figure: go.Figure, names: Sequence[str]) -> None:
    """Name the places 0, 1, ... of the vertical axis from above: no name is read as a number or date, or joined."""
    places = list(range(len(names)))
    figure.update_yaxes(tickvals=places, ticktext=names, range=[len(names) - 0.5, -0.5], zeroline=False)


def likeness_curves(board: Board, by_share: bool, names: tuple[str, ...]) -> go.Figure:
    """Mean Jaccard index and Hamming likeness of some methods against explanation size, with bands of 95 % over photos.

    Sizes are n, or shares of the image's pixels.
    """
    figure = make_subplots(cols=2, horizontal_spacing=0.06)
    colour, dash = colours(board.explainers), dashes(board.explainers)
    for place, measure in enumerate(MEASURES, start=1):
        curves = boards.cached(queries.curves, board, measure)
        for name in names:
            rows = curves[curves["explainer"] == name]
            x = rows["share"] * 100 if by_share else rows["n"]
            for trace in _curve(rows, x, name, colour[name], dash[name], measure, legend=place == 1):
                figure.add_trace(trace, row=1, col=place)
        figure.update_yaxes(title=f"Mean {MEASURES[measure].name} (0-1)", row=1, col=place)
    x_axis = {"title": SHARE_TITLE} if by_share else {"title": SIZE_TITLE, "dtick": 5}
    figure.update_xaxes(**x_axis, rangemode="tozero")
    figure.update_yaxes(rangemode="tozero", col=1)
    figure.update_yaxes(side="right", col=2)  # between the panels a phone has no room
    formulas = " ".join(f"{measure.name}: {measure.formula}." for measure in MEASURES.values())
    margin = {"r": 72} | ({"b": 80} if by_share else {})
    return finish(figure, 430, margin=margin, meta=f"Bands: 95 % over photos. {formulas}")


def _curve(
    rows: pd.DataFrame, x: pd.Series, name: str, colour: str, dash: str, measure: str, *, legend: bool
) -> tuple[go.Scatter, go.Scatter]:
    band = go.Scatter(
        x=[*x, *x[::-1]], y=[*rows["high"], *rows["low"][::-1]], fill="toself", fillcolor=fade(colour, 0.16),
        line={"width": 0}, hoverinfo="skip", showlegend=False, legendgroup=name, mode="lines",
    )  # fmt: skip
    line = go.Scatter(
        x=x, y=rows["mean"], mode="lines+markers", name=label(name), legendgroup=name, showlegend=legend,
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"size": 6, "symbol": SYMBOLS[presentation_of(name)]},
        customdata=[(target(Selection(name, measure, str(n))), n, s, bracketed(low, high, digits=3), cases)
                    for n, s, low, high, cases in records(rows, "n", "share", "low", "high", "cases")],
        hovertemplate=f"<b>{label(name)}</b>, n = %{{customdata[1]}}<br>"
        "%{customdata[2]:.1%} of the pixels<br>"
        f"{MEASURES[measure].short} %{{y:.3f}} %{{customdata[3]}}<br>"
        "cases: %{customdata[4]:,}, click to see them<extra></extra>",
    )  # fmt: skip
    return band, line


def rank_plot(board: Board, alone: bool) -> go.Figure:
    """Mean ranks with 95 % intervals over photos, and the paper's as hollow diamonds; `alone`: its three explainers."""
    summary = boards.cached(queries.summary, board)
    ranks = summary.paper if alone else {name: summary.explainers[name] for name in summary.ranked}
    explainers = sorted(ranks, key=lambda name: ranks[name]["mean_rank_jaccard"].mean)
    paper = PAPER if alone else paper_ranks(summary)
    measures = distinct(ranks)
    figure = make_subplots(cols=len(measures), shared_yaxes=True, horizontal_spacing=0.06)
    colour = colours(board.explainers)
    for place, measure in enumerate(measures, start=1):
        for row, name in enumerate(explainers):
            figure.add_trace(_dot(ranks[name][f"mean_rank_{measure}"], row, name, colour[name]), row=1, col=place)
            if name in paper:
                shown = place == 1 and name == "lime"
                theirs = paper[name][list(MEASURES).index(measure)]
                figure.add_trace(_paper(theirs, row, name, legend=shown), row=1, col=place)
        by = MEASURES[measure].short if len(measures) > 1 else "Jaccard or Hamming"
        figure.update_xaxes(title=f"Mean rank by {by} (1 is best)", row=1, col=place)
    worst = max(3, len(explainers))
    figure.update_xaxes(range=[0.85, worst + 0.15], dtick=1)
    line_up(figure, [label(name) for name in explainers])
    notes = f"{RESAMPLED} Baselines are scored but not ranked."
    return finish(figure, 130 + 45 * len(explainers), meta=notes)


def _dot(estimate: Estimate, row: int, name: str, colour: str) -> go.Scatter:
    low = estimate.mean if estimate.low is None else estimate.low
    high = estimate.mean if estimate.high is None else estimate.high
    return go.Scatter(
        x=[estimate.mean], y=[row], mode="markers", showlegend=False,
        marker={"size": 11, "color": colour},
        error_x={"array": [high - estimate.mean], "arrayminus": [estimate.mean - low], "color": colour, "thickness": 2,
                 "width": 7},
        hovertemplate=f"<b>{label(name)}</b><br>here %{{x:.2f}} {bracketed(estimate.low, estimate.high)}"
        "<extra></extra>",
    )  # fmt: skip


def _paper(value: float, row: int, name: str, *, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=[value], y=[row], mode="markers", name="Paper (Inception v3, 608 cases)", showlegend=legend,
        marker={"symbol": "diamond-open", "size": 12, "color": NEUTRAL, "line": {"width": 2}},
        hovertemplate=f"<b>{label(name)}</b><br>paper {value:.2f}<extra></extra>",
    )  # fmt: skip
