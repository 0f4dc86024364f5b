"""The Plotly figure of two stores side by side."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.data import boards, pairs
from dashboard.data.boards import Board
from dashboard.figures.explainers import entitle
from dashboard.figures.overview import finish, label, whole
from dashboard.text import plotly
from dashboard.theme import MEASURES, NEUTRAL, colours


def change_bars(board: Board, other: Board, measure: str, n: str, names: tuple[str, ...]) -> go.Figure:
    """How the scores of the same cases differ between two stores, a row of bars an explainer."""
    found = boards.cached(pairs.changes, board, other, measure, n)
    figure = make_subplots(rows=len(names), shared_xaxes=True, vertical_spacing=0.14 / len(names))
    colour = colours(board.explainers)
    for place, name in enumerate(names, start=1):
        rows = found[found["explainer"] == name]
        figure.add_bar(
            x=rows["bar"] * 0.05 - 1 + 0.025, y=rows["size"], width=0.046, name=label(name),
            marker={"color": colour[name], "line": {"width": 0}}, row=place, col=1, showlegend=False,
            hovertemplate=f"<b>{label(name)}</b><br>%{{x:+.2f}} ± 0.025: cases: %{{y:,}}<extra></extra>",
        )  # fmt: skip
        entitle(figure, place, name, y=0.96, yanchor="top")
    limit = max(0.2, float((found["bar"] * 0.05 - 1).abs().max()) + 0.1)
    figure.update_xaxes(range=[-limit, limit], zeroline=True, zerolinecolor=NEUTRAL)
    title = f"{plotly(MEASURES[measure].short)} in {plotly(other.name)}<br>minus that in {plotly(board.name)}, per case"
    figure.update_xaxes(title=title, row=len(names))
    most = found[found["explainer"].isin(names)]["size"].max()
    figure.update_yaxes(title="Cases", range=[0, 1.06 * most], **whole(most))
    return finish(figure, 80 + 110 * len(names), margin={"t": 12, "b": 80})
