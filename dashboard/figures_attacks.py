"""Plotly figures of Attacks."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard import attempts
from dashboard.boards import Board
from dashboard.clicks import target
from dashboard.figures import finish, records
from dashboard.selection import Selection
from dashboard.theme import ACCENT, NEUTRAL, fade

OUTCOMES = {
    "success": ("Success", ACCENT),
    "stalled": ("Discarded: stalled", fade(NEUTRAL, 0.75)),
    "exhausted": ("Discarded: exhausted", fade(NEUTRAL, 0.35)),
}
SPREADS = {
    "iterations": "Steps of the attack",
    "linf": "Largest change of a channel, 1/255",
    "l2": "Euclidean norm of the change (channels 0-1)",
}


def by_rank(board: Board) -> go.Figure:
    """Stacked shares of outcomes against the region's rank."""
    found = attempts.by_rank(board)
    figure = go.Figure()
    total = found.groupby("region_rank")["attempts"].transform("sum")
    found = found.assign(share=found["attempts"] / total * 100)
    for outcome, (title, colour) in OUTCOMES.items():
        rows = found[found["outcome"] == outcome]
        figure.add_bar(
            x=rows["region_rank"], y=rows["share"], name=title, marker={"color": colour, "line": {"width": 0}},
            customdata=[("", count) for count in rows["attempts"].tolist()],
            hovertemplate=f"{title}: %{{y:.0f}} % of the attempts on regions of rank %{{x}} (%{{customdata[1]:,}})"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="Rank of the region (1 is the photo's largest)", dtick=1)
    return _stacked(figure)


def by_size(board: Board) -> go.Figure:
    """Stacked shares of outcomes against the region's size; successes lead to their cases."""
    found = attempts.by_size(board)
    figure = go.Figure()
    total = found.groupby("band")["attempts"].transform("sum")
    found = found.assign(share=found["attempts"] / total * 100)
    last = int(found["band"].max())
    for outcome, (title, colour) in OUTCOMES.items():
        rows = found[found["outcome"] == outcome]
        cells = records(rows, "band", "low", "high", "attempts")
        labels = [f"{low:.1%} +" if np.isnan(high) else f"{low:.1%} to {high:.1%}" for _, low, high, _ in cells]
        links = [
            _of_size(board.explainers[0], band, last, low, high) if outcome == "success" else ""
            for band, low, high, _ in cells
        ]
        figure.add_bar(
            x=labels, y=rows["share"], name=title, marker={"color": colour, "line": {"width": 0}},
            customdata=[(link, cell[3]) for link, cell in zip(links, cells, strict=True)],
            hovertemplate=f"{title}: %{{y:.0f}} % of the attempts on regions of %{{x}} (%{{customdata[1]:,}})"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title="Size of the region, share of the image", type="category", categoryorder="array")
    order = found.drop_duplicates("band").sort_values("band")
    figure.update_xaxes(
        categoryarray=[
            f"{low:.1%} +" if np.isnan(high) else f"{low:.1%} to {high:.1%}"
            for low, high in records(order, "low", "high")
        ]
    )
    return _stacked(figure)


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
        figure.update_xaxes(title=title_of_axis, row=1, col=place)
    figure.update_layout(barmode="stack")
    figure.update_yaxes(title="Attempts", col=1)
    return finish(figure, 330)


def _stacked(figure: go.Figure) -> go.Figure:
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_yaxes(title="Attempts, %", range=[0, 100])
    return finish(figure, 340)


def _of_size(explainer: str, band: int, last: int, low: float, high: float) -> str:
    """Cases whose region has a size within the band; the first band has no lower end, the last no upper one."""
    limits = Selection(explainer, min_share=low if band else None, max_share=high if band < last else None)
    return target(limits)
