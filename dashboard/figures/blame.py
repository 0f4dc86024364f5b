"""The figure of Blame."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compute.reporting.words import bracketed, counted
from dashboard.data import blame, boards
from dashboard.data.boards import Board
from dashboard.data.selection import Selection, join_names
from dashboard.figures.clicks import target
from dashboard.figures.overview import finish, label, line_up, records
from dashboard.theme import colours

TITLES = {"border": "Border", "edges": "Edges", "rest": "Rest", blame.OWN: "Own"}
OPENED = 24
"""Cases behind a bar that a click opens."""


def atlas(board: Board) -> go.Figure:
    """A panel a place: by how much each method's share of false alarms there exceeds chance; a bar opens its cases."""
    found = boards.cached(blame.by_case, board)
    means = blame.shares(found)
    titles = {place: title for place, title in TITLES.items() if (means["place"] == place).any()}
    first = means[means["place"] == next(iter(titles))].sort_values("mean", ascending=False)["explainer"]
    order = [*first, *(name for name in board.explainers if name in set(means["explainer"]) - set(first))]
    colour = colours(board.explainers)
    figure = make_subplots(
        cols=len(titles),
        shared_xaxes="all",
        shared_yaxes=True,
        horizontal_spacing=0.05,
        subplot_titles=list(titles.values()),
    )
    for column, place in enumerate(titles, start=1):
        rows = means[means["place"] == place]
        marks = []
        for name, cases, low, high in records(rows, "explainer", "cases", "low", "high"):
            worst = join_names(blame.most(found, name, place, cases=OPENED))
            marks.append(
                (target(Selection(name, among=worst, order="low")), cases, bracketed(100 * low, 100 * high, digits=1))
            )
        figure.add_bar(
            x=(100 * rows["mean"]).tolist(), y=[order.index(name) for name in rows["explainer"]], orientation="h",
            marker={"color": [colour[name] for name in rows["explainer"]], "line": {"width": 0}}, showlegend=False,
            error_x={"array": (100 * (rows["high"] - rows["mean"])).tolist(), "thickness": 1.2, "width": 3,
                     "arrayminus": (100 * (rows["mean"] - rows["low"])).tolist()},
            customdata=marks, row=1, col=column,
            hovertemplate="%{x:+.1f} points %{customdata[2]}<br>cases: %{customdata[1]:,}, click to see those "
            "with the most<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(zeroline=True, nticks=5, tickangle=0)
    figure.update_annotations(font_size=12)  # side by side on a phone
    figure.update_xaxes(title="Points above chance", col=(len(titles) + 1) // 2)
    line_up(figure, [label(name) for name in order])
    height = 130 + 26 * len(order)
    finish(figure, height, margin={"t": 32}, meta=_legend(found), hovermode="y")  # a bar of no length is hovered too
    return figure.update_xaxes(ticklabeloverflow="hide past domain")


def _legend(found: pd.DataFrame) -> str:
    """What the panels show, and of how many cases."""
    own = found["place"] == blame.OWN
    looked, asked = (found.loc[rows, "case_id"].nunique() for rows in (~own, own))
    words = ["Whiskers: 95 % over photos. Zero is chance."]
    if looked:
        words.append(
            f"Border, edges and rest, in {counted(looked, 'case')} spread evenly over the store: shares of the pixels "
            "outside the region, at the n whose size is closest to the region's, above what random pixels give. "
            f"Border: a band of {blame.BORDER:.0%} of the image's side around the region. Edges: the steepest "
            f"{1 - blame.EDGES:.0%} of the photo's pixels by Sobel's gradient, that band left out."
        )
    if asked:
        words.append(
            f"Own, in {counted(asked, 'case')}: of the first pixels of each ranking, as many as the region has, the "
            "share on which the method points in the photo before the attack too, for the photo's own class, above "
            "chance."
        )
    return " ".join(words)
