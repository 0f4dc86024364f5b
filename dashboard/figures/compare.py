"""The Plotly figure of two stores side by side."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.data import pairs
from dashboard.data.boards import Board
from dashboard.figures.overview import finish, label
from dashboard.text import plotly
from dashboard.theme import MEASURES, NEUTRAL, colours


def change_bars(board: Board, other: Board, measure: str, n: str) -> go.Figure:
    """How the scores of the same cases differ between two stores."""
    found = pairs.changes(board, other, measure, n)
    explainers = [name for name in board.explainers if name in set(found["explainer"])]
    title = plotly(f"{MEASURES[measure].short} in {other.name} minus {board.name}, per case")
    figure = make_subplots(cols=len(explainers), shared_yaxes=True, horizontal_spacing=0.03)
    colour = colours(explainers)
    for place, name in enumerate(explainers, start=1):
        rows = found[found["explainer"] == name]
        figure.add_bar(
            x=rows["bar"] * 0.05 - 1 + 0.025, y=rows["size"], width=0.046, name=label(name),
            marker={"color": colour[name], "line": {"width": 0}}, row=1, col=place,
            hovertemplate=f"<b>{label(name)}</b><br>%{{x:+.2f}} ± 0.025: cases: %{{y:,}}<extra></extra>",
        )  # fmt: skip
    limit = max(0.2, float((found["bar"] * 0.05 - 1).abs().max()) + 0.1)
    figure.update_xaxes(range=[-limit, limit], zeroline=True, zerolinecolor=NEUTRAL)
    figure.update_xaxes(title=title, row=1, col=(len(explainers) + 1) // 2)
    figure.update_yaxes(title="Cases", col=1)
    return finish(figure, 300)
