"""Every case by one of its traits and a score, with the means of bands."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compute.reporting.words import bracketed
from dashboard.data import matching
from dashboard.data.boards import Board
from dashboard.data.intervals import clustered_means
from dashboard.data.queries import band_edges, place
from dashboard.data.questions import TRAITS
from dashboard.data.selection import Selection
from dashboard.figures.explainers import score_title
from dashboard.figures.overview import finish, label, records
from dashboard.theme import INK, NEUTRAL, colours, fade

DOTS = 20_000
"""Cases drawn at most, chosen evenly over the selection's order; bands and outlines are of all."""
LOOKS = {400: (0.9, 8), 2000: (0.55, 7), DOTS: (0.25, 4)}
"""Opacity and size of dots, up to so many."""
PLAIN = 2000
"""Dots up to which all is SVG, whose line has the colour of text (style.css); beyond, WebGL."""


def scatter(board: Board, selection: Selection, trait: str) -> go.Figure:
    """A dot a case, which carries the case's id; over them the mean of each band with its interval, above all its n."""
    title, logarithmic = TRAITS[trait]
    found = matching.everything(board.query, selection).dropna(subset=[trait, "score"])
    found = found[found[trait] > 0] if logarithmic else found
    colour = colours(board.explainers)[selection.explainer]
    shown = found.iloc[:: max(1, -(-len(found) // DOTS))]
    opacity, size = next(look for most, look in LOOKS.items() if len(shown) <= most)
    kind = go.Scatter if len(shown) <= PLAIN else go.Scattergl
    figure = go.Figure(
        kind(
            x=shown[trait].tolist(), y=shown["score"].tolist(), mode="markers", name="A case",
            marker={"color": fade(colour, opacity), "size": size},
            customdata=records(shown, "case_id"),
            hovertemplate="%{x:.3g}, score %{y:.3f}<br>click to open it<extra></extra>",
        )
    )  # fmt: skip
    if len(found):
        means = _bands(found, trait)
        figure.add_trace(_line(means, kind))
        figure.add_scatter(
            x=means["middle"].tolist(), y=[found["score"].max() + 0.08 * np.ptp(found["score"])] * len(means),
            text=[f"{n:,}" for n in means["cases"]], mode="text", textposition="middle center", textfont={"size": 11},
            hoverinfo="skip", showlegend=False,
        )  # fmt: skip
    figure.update_xaxes(title=title)
    if logarithmic:
        figure.update_xaxes(type="log")
        if len(ticks := _ticks(found[trait])) > 1:
            figure.update_xaxes(tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    figure.update_yaxes(
        title=f"{label(selection.explainer)}: {score_title(selection.measure, selection.n, selection.minus)}"
    )
    notes = "Line: mean of a sixth of the cases each, with 95 % over photos."
    return finish(figure, 560, dragmode="lasso", meta=notes)


def _ticks(values: pd.Series) -> list[float]:
    """1, 2 and 5 of every decade among the values: Plotly's own are single digits, hardly to be read."""
    steps = [digit * 10.0**decade for decade in range(-6, 7) for digit in (1, 2, 5)]
    return [step for step in steps if values.min() <= step <= values.max()]


def _bands(found: pd.DataFrame, trait: str) -> pd.DataFrame:
    """The mean score of each band, with low, high and cases, at `middle`, the median of its trait."""
    edges = band_edges(found[trait])
    banded = found.assign(band=place(found[trait], edges))
    sums = banded.groupby(["photo_id", "band"], as_index=False).agg(total=("score", "sum"), cases=("score", "size"))
    means = clustered_means(sums, ["band"], (-1, 1)).sort_values("band")
    return means.assign(middle=means["band"].map(banded.groupby("band")[trait].median()))


def _line(means: pd.DataFrame, kind: type[go.Scatter | go.Scattergl]) -> go.Scatter | go.Scattergl:
    return kind(
        x=means["middle"].tolist(), y=means["mean"].tolist(), mode="lines+markers", name="Mean of a band, its n on top",
        line={"color": INK if kind is go.Scatter else NEUTRAL, "width": 2.5}, marker={"size": 9, "symbol": "diamond"},
        error_y={"array": (means["high"] - means["mean"]).tolist(),
                 "arrayminus": (means["mean"] - means["low"]).tolist(), "thickness": 1.4, "width": 4},
        customdata=[("", n, bracketed(low, high, digits=3)) for n, low, high in
                    records(means.replace({np.nan: None}), "cases", "low", "high")],
        hovertemplate="mean %{y:.3f} %{customdata[2]}<br>cases: %{customdata[1]:,}<extra></extra>",
    )  # fmt: skip
