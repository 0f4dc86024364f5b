"""Plotly figures of Explainers."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from compute.reporting.words import bracketed
from dashboard.data import queries
from dashboard.data.boards import Board
from dashboard.data.queries import SCORE_EDGES
from dashboard.data.selection import Selection
from dashboard.figures.clicks import target
from dashboard.figures.overview import SIZE_TITLE, finish, label, line_up, records, whole, wrapped
from dashboard.text import plotly
from dashboard.theme import ACCENT, MEASURES, SYMBOLS, colours, dashes, fade, presentation_of

BAND_COLUMNS = {
    "region_share": ("Attacked<br>region, % of<br>the image", 100, ("min_share", "max_share")),
    "linf": ("Largest change<br>of a channel,<br>1/255", 1, ("min_linf", "max_linf")),
    "target_confidence": ("Confidence<br>in the target<br>(0-1)", 1, ("min_conf", "max_conf")),
}
"""Property of a case: axis title, factor to the axis' unit, the ends' names in a selection."""
ROWS = 25
"""Photos or classes shown at once."""


def distributions(board: Board, measure: str, n: str, explainers: tuple[str, ...]) -> go.Figure:
    """One row of bars an explainer: how many cases have a score within 0.05; a bar leads to its cases."""
    found = queries.distribution(board, measure, n)
    figure = make_subplots(rows=len(explainers), shared_xaxes=True, vertical_spacing=0.14 / len(explainers))
    colour = colours(board.explainers)
    for place, name in enumerate(explainers, start=1):
        rows = found[found["explainer"] == name]
        ends = [
            (float(SCORE_EDGES[b]), None if b == len(SCORE_EDGES) - 1 else float(SCORE_EDGES[b + 1]))
            for b in rows["bar"]
        ]
        figure.add_bar(
            x=[low + 0.025 for low, _ in ends], y=rows["cases"], width=0.046, name=label(name),
            marker={"color": colour[name], "line": {"width": 0}}, row=place, col=1, showlegend=False,
            customdata=[(target(Selection(name, measure, n, low=low, high=high)), f"{low:.2f} to {low + 0.05:.2f}")
                        for low, high in ends],
            hovertemplate=f"<b>{label(name)}</b><br>{MEASURES[measure].short} %{{customdata[1]}}: "
            "cases: %{y:,}<br>click to see them<extra></extra>",
        )  # fmt: skip
        entitle(figure, place, name, y=0.96, yanchor="top")
    figure.update_xaxes(range=[0, 1.0])
    figure.update_xaxes(title=f"{score_title(measure, n)} (0-1)", row=len(explainers))
    most = found["cases"].max()
    figure.update_yaxes(title="Cases", range=[0, 1.06 * most], **whole(most))
    return finish(figure, 60 + 110 * len(explainers), margin={"t": 12})


def entitle(figure: go.Figure, place: int, name: str, *, y: float, yanchor: str) -> None:
    """Name an explainer's panel, at its right."""
    number = place if place > 1 else ""
    figure.add_annotation(
        text=f"<b>{label(name)}</b>", showarrow=False, xref=f"x{number} domain", yref=f"y{number} domain",
        x=0.995, y=y, xanchor="right", yanchor=yanchor,
    )  # fmt: skip


def win_matrix(board: Board, measure: str, n: str, explainers: tuple[str, ...]) -> go.Figure:
    """Share of cases in which the row scores higher than the column; a cell leads to its cases."""
    found = queries.wins(board, measure, n)
    found = found[found["winner"].isin(explainers) & found["loser"].isin(explainers)]
    many, places = len(explainers) > 4, list(range(len(explainers)))
    names = [wrapped(name, 18) for name in explainers]  # cells have room beside them on a phone too
    share = found.assign(share=found["wins"] / found["cases"]).pivot(index="winner", columns="loser", values="share")
    share = share.reindex(index=explainers, columns=explainers)
    figure = go.Figure(
        go.Heatmap(
            z=share.to_numpy(float) * 100, x=places, y=places, zmin=0, zmax=100,
            xgap=3, ygap=3, hoverinfo="skip", showscale=False,
            colorscale=[[0, fade(ACCENT, 0.05)], [1, fade(ACCENT, 0.7)]],  # on which any theme's text can be read
        )
    )  # fmt: skip
    cells = records(found, "winner", "loser", "wins", "ties", "cases")
    figure.add_scatter(
        x=[explainers.index(loser) for _, loser, *_ in cells],
        y=[explainers.index(winner) for winner, *_ in cells],
        mode="markers+text", marker={"size": 48, "symbol": "square", "color": "rgba(0,0,0,0)"}, showlegend=False,
        text=[f"{100 * wins / cases:.0f}" for _, _, wins, _, cases in cells],
        textfont={"size": 11 if many else 15},
        customdata=[(target(Selection(winner, measure, n, winner=winner, loser=loser)), wins, ties, cases,
                     f"{label(winner)} above {label(loser)}")
                    for winner, loser, wins, ties, cases in cells],
        hovertemplate="<b>%{customdata[4]}</b><br>cases: %{customdata[1]:,} of %{customdata[3]:,}"
        ", ties: %{customdata[2]:,}<br>click to see them<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(
        showgrid=False,
        zeroline=False,
        side="top",
        tickangle=-90 if many else 0,
        tickvals=places,
        ticktext=names,
        title="... than this one",
        range=[-0.5, len(explainers) - 0.5],
    )
    line_up(figure, names)
    figure.update_yaxes(showgrid=False, title="% of cases in which this one scores higher ...")
    return finish(
        figure,
        (120 + 64 * len(explainers)) if many else 60 + 110 * len(explainers),
        margin={"t": 12, "b": 8},
    )


def rank_shares(board: Board, measure: str, names: tuple[str, ...]) -> go.Figure:
    """One row of bars an explainer: share of cases at each rank against n; a bar leads to its cases."""
    found, explainers = queries.ranks(board, measure), [name for name in names if name in board.ranked]
    figure = make_subplots(rows=len(explainers), shared_xaxes=True, vertical_spacing=0.22 / len(explainers))
    colour = colours(board.explainers)
    ranks = sorted(found["rank"].unique())
    for place, name in enumerate(explainers, start=1):
        for rank in ranks:
            rows = found[(found["explainer"] == name) & (found["rank"] == rank)]
            strength = 1 - 0.88 * (rank - 1) / max(1, len(board.ranked) - 1)
            figure.add_bar(
                x=rows["n"], y=rows["share"] * 100,
                marker={"color": fade(colour[name], strength), "line": {"width": 0}},
                row=place, col=1, showlegend=False,
                customdata=[(target(Selection(name, measure, str(k), rank=float(rank))), c)
                            for k, c in records(rows, "n", "cases")],
                hovertemplate=f"<b>{label(name)}</b>, n = %{{x}}<br>rank {rank:g}: %{{y:.0f}} % "
                "(cases: %{customdata[1]:,})<br>click to see them<extra></extra>",
            )  # fmt: skip
        entitle(figure, place, name, y=1, yanchor="bottom")
    figure.update_layout(barmode="stack", bargap=0.12)
    figure.update_xaxes(dtick=5)
    figure.update_xaxes(title=SIZE_TITLE, row=len(explainers))
    figure.update_yaxes(title="Cases, %", range=[0, 100])
    return finish(figure, 60 + 110 * len(explainers), margin={"t": 28})


def band_curves(board: Board, measure: str, n: str, explainers: tuple[str, ...]) -> go.Figure:
    """Mean score against properties of the case, a panel each, with intervals; a point leads to its cases."""
    figure = make_subplots(cols=len(BAND_COLUMNS), shared_yaxes=True, horizontal_spacing=0.03)
    colour, dash = colours(board.explainers), dashes(board.explainers)
    for place, (column, (title, factor, ends)) in enumerate(BAND_COLUMNS.items(), start=1):
        bands, words = queries.bands(board, measure, n, column), title.replace("<br>", " ")
        for name in explainers:
            rows = bands[bands["explainer"] == name].sort_values("band")
            marks = [
                (target(Selection(name, measure, n).within(ends, band, low, high)),
                 _ends(low * factor, high * factor), cases, bracketed(mean_low, mean_high, digits=3))
                for band, low, high, cases, mean_low, mean_high in
                records(rows, "band", "low", "high", "cases", "mean_low", "mean_high")
            ]  # fmt: skip
            figure.add_scatter(
                x=rows["middle"] * factor, y=rows["mean"], mode="lines+markers", name=label(name),
                legendgroup=name, showlegend=place == 1, marker={"size": 8, "symbol": SYMBOLS[presentation_of(name)]},
                line={"color": colour[name], "width": 2, "dash": dash[name]},
                error_y={"array": rows["mean_high"] - rows["mean"], "arrayminus": rows["mean"] - rows["mean_low"],
                         "thickness": 1.2, "width": 3},
                customdata=marks, row=1, col=place,
                hovertemplate=f"<b>{label(name)}</b><br>{words}: %{{customdata[1]}}<br>"
                f"mean {MEASURES[measure].short} %{{y:.3f}} %{{customdata[3]}}<br>"
                "cases: %{customdata[2]:,}, click to see them"
                "<extra></extra>",
            )  # fmt: skip
        figure.update_xaxes(title=title, nticks=4, tickangle=0, row=1, col=place)  # side by side on a phone
    figure.update_yaxes(title=f"{score_title(measure, n)} (0-1)", col=1)
    figure.update_yaxes(rangemode="tozero")
    return finish(figure, 410, margin={"b": 92})


def group_dots(board: Board, column: str, first: str, measure: str, n: str, explainers: tuple[str, ...]) -> go.Figure:
    """Mean score by photo or original class, the hardest or the easiest first; a dot leads to its cases."""
    found = queries.by_group(board, measure, n, column)
    keys = found.groupby("key")["mean"].mean().sort_values(ascending=first == "hardest", kind="stable").index[:ROWS]
    found = found[found["key"].isin(keys)]
    found = found.assign(place=found["key"].map(keys.get_loc), name=found["name"].map(plotly))
    figure = go.Figure()
    colour = colours(board.explainers)
    names = found.drop_duplicates("place").sort_values("place")["name"].tolist()
    for name in explainers:
        rows = found[found["explainer"] == name]
        figure.add_scatter(
            x=rows["mean"], y=rows["place"], mode="markers", name=label(name),
            marker={"color": colour[name], "size": 10, "symbol": SYMBOLS[presentation_of(name)]},
            customdata=[(target(Selection(name, measure, n, **{column: key})), cases, title)
                        for key, cases, title in records(rows, "key", "cases", "name")],
            hovertemplate=f"<b>%{{customdata[2]}}</b><br>{label(name)}: %{{x:.3f}}<br>"
            "cases: %{customdata[1]:,}, click to see them<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=f"{score_title(measure, n)},<br>mean over cases (0-1)", rangemode="tozero")
    line_up(figure, names)
    return finish(figure, 166 + 24 * len(names), margin={"b": 80})


def score_title(measure: str, n: str) -> str:
    """Best Jaccard index over n, mean Jaccard index over n, or Jaccard index at n = 5."""
    name = MEASURES[measure].name
    return f"{n.capitalize()} {name} over n" if n in ("best", "mean") else f"{name} at n = {n}"


def _ends(low: float, high: float) -> str:
    return f"from {low:.3g}" if np.isnan(high) else f"{low:.3g} to {high:.3g}"
