"""Plotly figures of Attacks."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.data import attempts
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.figures.clicks import target
from dashboard.figures.overview import LEGEND, finish, records, whole
from dashboard.theme import ACCENT, NEUTRAL

OUTCOMES = {
    "success": ("Success", ACCENT),
    "stalled": ("Discarded: stalled", NEUTRAL),
    "exhausted": ("Discarded: exhausted", "#B27300"),
}
SPREADS = {
    "iterations": "Steps of<br>the attack",
    "linf": "Largest change<br>of a channel,<br>1/255",
    "l2": "Euclidean norm<br>of the change",
}


def by_rank(board: Board) -> go.Figure:
    """Stacked shares of outcomes against the region's rank."""
    found = attempts.by_rank(board)
    figure = _stacked(found.assign(link="", regions="rank " + found["region_rank"].astype(str)), "region_rank")
    figure.update_xaxes(title="Rank of the region (1 is the photo's largest)", dtick=1)
    return figure


def by_size(board: Board) -> go.Figure:
    """Stacked shares of outcomes against the region's size; successes lead to their cases."""
    found = attempts.by_size(board).sort_values("band")
    found["regions"] = [
        f"{low:.1%} +" if np.isnan(high) else f"{low:.1%} to {high:.1%}" for low, high in records(found, "low", "high")
    ]
    anything = Selection(board.explainers[0])
    found["link"] = [
        target(anything.within(("min_share", "max_share"), band, low, high)) if outcome == "success" else ""
        for outcome, band, low, high in records(found, "outcome", "band", "low", "high")
    ]
    figure = _stacked(found, "band")
    names = found.drop_duplicates("band")
    figure.update_xaxes(
        title="Size of the region, share of the image",
        tickvals=names["band"].tolist(),
        ticktext=[name.replace(" to ", "<br>to ") for name in names["regions"]],
        tickangle=0,
    )
    return figure


def spreads(board: Board) -> go.Figure:
    """Histograms of steps and norms, successes over discarded attempts, a panel each."""
    figure = make_subplots(cols=len(SPREADS), horizontal_spacing=0.06)
    for place, (column, title_of_axis) in enumerate(SPREADS.items(), start=1):
        bars = attempts.spread(board, column)
        for success, title, colour in (
            (True, "Success", ACCENT),
            (False, "Discarded", OUTCOMES["stalled"][1]),
        ):
            rows = bars[bars["success"] == success]
            figure.add_bar(
                x=rows["middle"], y=rows["attempts"], width=rows["width"] * 0.94, name=title, legendgroup=title,
                showlegend=place == 1, marker={"color": colour, "line": {"width": 0}}, row=1, col=place,
                hovertemplate=f"{title}: %{{y:,}} attempts at about %{{x:.3g}}<extra></extra>",
            )  # fmt: skip
        figure.update_xaxes(title=title_of_axis, nticks=4, tickangle=0, row=1, col=place)  # side by side on a phone
        figure.update_yaxes(**whole(bars.groupby("middle")["attempts"].sum().max()), row=1, col=place)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="Attempts", col=1)
    total = attempts.totals(board)["attempts"]
    return finish(figure, 350, margin={"b": 92}, meta=f"{total:,} attempts.")


def _stacked(found: pd.DataFrame, by: str) -> go.Figure:
    """Bars over the column `by`, one part an outcome; `found` has columns outcome, attempts, link and regions too."""
    found = found.assign(share=found["attempts"] / found.groupby(by)["attempts"].transform("sum") * 100)
    totals = found.groupby(by, sort=False)["attempts"].sum()
    figure = go.Figure()
    figure.add_scatter(
        x=totals.index.tolist(), y=[100] * len(totals), text=[f"{count:,}" for count in totals], mode="text",
        textposition="top center", textfont={"size": 11}, cliponaxis=False, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for outcome, (title, colour) in OUTCOMES.items():
        rows = found[found["outcome"] == outcome]
        figure.add_bar(
            x=rows[by], y=rows["share"], name=title, marker={"color": colour, "line": {"width": 0}},
            customdata=records(rows, "link", "attempts", "regions"),
            hovertemplate=f"{title}: %{{y:.0f}} % of the attempts on regions of %{{customdata[2]}} "
            "(%{customdata[1]:,})<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(title="Attempts, % (number above)", range=[0, 100])
    return finish(figure, 340, legend=LEGEND | {"y": 1.14}, meta=f"{found['attempts'].sum():,} attempts.")
