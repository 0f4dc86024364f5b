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
from dashboard.theme import ACCENT, MEASURES, NEUTRAL, SYMBOLS, colours, dashes, fade, presentation_of

BAND_COLUMNS = {
    "region_share": ("Attacked<br>region, % of<br>the image", 100, ("min_share", "max_share")),
    "linf": ("Largest change<br>of a channel,<br>1/255", 1, ("min_linf", "max_linf")),
    "target_confidence": ("Confidence<br>in the target<br>(0-1)", 1, ("min_conf", "max_conf")),
}
"""Property of a case: axis title, factor to the axis' unit, the ends' names in a selection."""
APART, CLASSES = 9, 5
"""Methods up to which every rank has a shade, and the classes of ranks where there are more."""
ROWS = 25
"""Photos or classes shown at once."""


def distributions(board: Board, measure: str, n: str, minus: str, explainers: tuple[str, ...]) -> go.Figure:
    """One row of bars an explainer: how many cases have a score within 0.05; a bar leads to its cases."""
    found = queries.distribution(board, measure, n, minus)
    explainers = tuple(name for name in explainers if name != minus)
    found = found[found["explainer"].isin(explainers)]
    least, last = (-1.0 if minus else 0.0), float(SCORE_EDGES[-1])
    figure = make_subplots(rows=len(explainers), shared_xaxes=True, vertical_spacing=0.14 / len(explainers))
    colour = colours(board.explainers)
    for place, name in enumerate(explainers, start=1):
        rows = found[found["explainer"] == name]
        marks = []
        for low in rows["bar"].tolist():
            high = None if low == last else round(low + 0.05, 2)
            selection = Selection(name, measure, n, minus=minus, low=None if low == least else low, high=high)
            marks.append((target(selection), f"{low:.2f} to {low + 0.05:.2f}"))
        figure.add_bar(
            x=rows["bar"] + 0.025, y=rows["cases"], width=0.046, name=label(name),
            marker={"color": colour[name], "line": {"width": 0}}, row=place, col=1, showlegend=False,
            customdata=marks,
            hovertemplate=f"<b>{label(name)}</b><br>{MEASURES[measure].short} %{{customdata[1]}}: "
            "cases: %{y:,}<br>click to see them<extra></extra>",
        )  # fmt: skip
        entitle(figure, place, name, y=0.96, yanchor="top")
    ends = [found["bar"].min(), found["bar"].max() + 0.05] if minus and len(found) else [0, 1]
    figure.update_xaxes(range=ends, zeroline=bool(minus), zerolinecolor=NEUTRAL)
    figure.update_xaxes(title=score_title(measure, n, minus), row=len(explainers))
    most = found["cases"].max() if len(found) else 1
    figure.update_yaxes(title="Cases", range=[0, 1.06 * most], **whole(most))
    return finish(figure, 60 + 110 * len(explainers), margin={"t": 12, "b": 80 if minus else 64})


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
    """One row of bars an explainer: share of cases at each rank against n; a bar leads to its cases.

    Where more than APART methods are ranked, ranks are put together into CLASSES classes.
    """
    found, explainers = queries.ranks(board, measure), [name for name in names if name in board.ranked]
    figure = make_subplots(rows=len(explainers), shared_xaxes=True, vertical_spacing=0.22 / len(explainers))
    colour = colours(board.explainers)
    methods, classes = len(board.ranked), len(board.ranked) > APART
    lows = np.arange(1.0, methods + 0.5, 0.5)  # ties share halves
    if classes:
        lows = np.unique(np.ceil(np.linspace(0, methods, CLASSES, endpoint=False))) + 1
    found["low"] = lows[queries.place(found["rank"], lows)]
    found = found.groupby(["explainer", "n", "low"], as_index=False)[["share", "cases"]].sum()
    ends = dict(zip(lows.tolist(), [*lows[1:].tolist(), methods + 1.0], strict=True))
    words = {low: f"ranks {low:g} to {high - 1:g}" if classes else f"rank {low:g}" for low, high in ends.items()}
    for place, name in enumerate(explainers, start=1):
        for low in sorted(found["low"].unique().tolist()):
            rows = found[(found["explainer"] == name) & (found["low"] == low)]
            strength = 1 - 0.85 * (low - 1) / max(1, lows[-1] - 1)
            figure.add_bar(
                x=rows["n"], y=rows["share"] * 100,
                marker={"color": fade(colour[name], strength), "line": {"width": 1, "color": colour[name]}},
                row=place, col=1, showlegend=False,
                customdata=[
                    (target(Selection(name, measure, str(k), rank=low, below_rank=ends[low] if classes else None)), c)
                    for k, c in records(rows, "n", "cases")
                ],
                hovertemplate=f"<b>{label(name)}</b>, n = %{{x}}<br>{words[low]}: %{{y:.0f}} % "
                "(cases: %{customdata[1]:,})<br>click to see them<extra></extra>",
            )  # fmt: skip
        entitle(figure, place, name, y=1, yanchor="bottom")
    figure.update_layout(barmode="stack", bargap=0.12)
    figure.update_xaxes(dtick=5)
    figure.update_xaxes(title=SIZE_TITLE, row=len(explainers))
    figure.update_yaxes(title="Cases, %", range=[0, 100])
    notes = "The strongest shade is rank 1, the palest the last rank; shades between are shared ranks too."
    if classes:
        notes = f"Shades, the strongest first: {', '.join(words.values())}, of {methods} ranked methods."
    return finish(figure, 60 + 110 * len(explainers), margin={"t": 28}, meta=notes)


def band_curves(board: Board, measure: str, n: str, minus: str, explainers: tuple[str, ...]) -> go.Figure:
    """Mean score against properties of the case, a panel each, with intervals; a point leads to its cases."""
    figure = make_subplots(cols=len(BAND_COLUMNS), shared_yaxes=True, horizontal_spacing=0.03)
    colour, dash = colours(board.explainers), dashes(board.explainers)
    for place, (column, (title, factor, ends)) in enumerate(BAND_COLUMNS.items(), start=1):
        bands, words = queries.bands(board, measure, n, column, minus), title.replace("<br>", " ")
        for name in explainers:
            rows = bands[bands["explainer"] == name].sort_values("band")
            marks = [
                (target(Selection(name, measure, n, minus=minus).within(ends, band, low, high)),
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
    figure.update_yaxes(title=score_title(measure, n, minus), col=1)
    figure.update_yaxes(rangemode="tozero")
    notes = "Bands hold about as many cases each; points sit at their medians, bars are 95 % over photos."
    return finish(figure, 410, margin={"b": 92}, meta=notes)


def group_dots(
    board: Board, column: str, first: str, measure: str, n: str, minus: str, explainers: tuple[str, ...]
) -> go.Figure:
    """Mean score by photo or original class, the hardest or the easiest first; a dot leads to its cases."""
    found = queries.by_group(board, measure, n, column, minus)
    total = found["key"].nunique()
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
            customdata=[(target(Selection(name, measure, n, minus=minus, **{column: key})), cases, title)
                        for key, cases, title in records(rows, "key", "cases", "name")],
            hovertemplate=f"<b>%{{customdata[2]}}</b><br>{label(name)}: %{{x:.3f}}<br>"
            "cases: %{customdata[1]:,}, click to see them<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=score_title(measure, n, minus, "mean over cases"), rangemode="tozero")
    line_up(figure, names)
    notes = f"{ROWS} of {total:,} are shown, by the mean over explainers." if total > ROWS else ""
    return finish(figure, 166 + 24 * len(names), margin={"b": 80}, meta=notes)


def score_title(measure: str, n: str, minus: str = "", more: str = "") -> str:
    """Best Jaccard index over n, mean Jaccard index over n, or Jaccard index at n = 5; minus another method's."""
    name = MEASURES[measure].name
    title = f"{n.capitalize()} {name} over n" if n in ("best", "mean") else f"{name} at n = {n}"
    second = ", ".join(filter(None, [f"minus {label(minus)}" if minus else "", more]))
    return f"{title}{',<br>' if second else ''}{second} {'(-1 to 1)' if minus else '(0-1)'}"


def _ends(low: float, high: float) -> str:
    return f"from {low:.3g}" if np.isnan(high) else f"{low:.3g} to {high:.3g}"
