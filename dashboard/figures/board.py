"""Figures of the board: the forest of all methods, what they are specific to, what they cost, and who differs."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from compute.reporting.comparison import too_few
from compute.reporting.report import PAPER
from compute.reporting.statistics import CLEAR, ORACLE, Estimate
from compute.reporting.words import bracketed, sure
from dashboard.data import boards, queries
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.figures.clicks import target
from dashboard.figures.overview import RESAMPLED, finish, label, line_up, records
from dashboard.labels import Crowd, Spot
from dashboard.theme import (
    ACCENT,
    BOARD,
    NEUTRAL,
    SYMBOLS,
    colours,
    explainer_name,
    explainer_of,
    fade,
    presentation_of,
)

BESIDE_PLAIN = {"": 0.0, "smooth": 0.25, "superpixels": -0.25, "superpixels-sum": -0.4}
"""Where the presentations of an explainer stand in its row, from its middle."""
BAR = 9
"""Pixels from one column of bars to the next."""
CORNER = "about this prediction, and enough to undo it ↗"
PHONE, WIDE = (270.0, 460.0), (400.0, 460.0)
"""Width and height of a scatter on a phone, and in a column of a page or a paper, at least, pixels."""
SMALL, LETTER = 4.7, 5.7
"""Width of a letter of the names there, pixels."""
_RED, _BLUE = "#B2182B", "#2166AC"
DIFFERENCES = [[0, fade(_RED, 0.95)], [0.5, fade(_RED, 0.2)], [0.5, fade(_BLUE, 0.2)], [1, fade(_BLUE, 0.95)]]
"""Red below zero, blue above, on any theme: what is small has a colour too, and does not glow in the dark."""
PASSES = 1.0
"""Where methods without a pass stand on the axis of passes, which is logarithmic."""


def forest(board: Board, measure: str, grouped: bool = False) -> go.Figure:
    """All ranked methods by a measure, best first, with intervals over photos.

    Baselines are a shaded floor, the oracle a ceiling, and bars join what the tests do not tell apart. By mean rank
    both limits stand where they would, were they ranked as well. `grouped`: the presentations of an explainer share a
    row, which stands where the best of them does, and there are no bars.
    """
    found = boards.cached(queries.measures_of_all, board)
    names = in_order(found, board.ranked, measure)
    row_of = {name: explainer_of(name) if grouped else name for name in names}
    rows = list(dict.fromkeys(row_of.values()))
    places = {
        name: rows.index(row_of[name]) + (BESIDE_PLAIN[presentation_of(name)] if grouped else 0) for name in names
    }
    figure, colour = go.Figure(), colours(board.explainers)
    for shade in dict.fromkeys(colour[name] for name in names):  # whiskers of a trace have one colour
        alike = {name: place for name, place in places.items() if colour[name] == shade}
        figure.add_trace(_intervals(found, measure, alike, shade))
    floor, ceiling = limits(board, measure)
    _limits(figure, measure, floor, ceiling, len(rows))
    columns = 0 if grouped else _cliques(figure, boards.cached(queries.cliques, board, measure, tuple(names)))
    above = len(rows) > 20
    ends = {"t": 60, "b": 8} if above else {"t": 24}
    figure.update_xaxes(title=BOARD[measure].axis, side="top" if above else "bottom")
    line_up(figure, [label(name) for name in rows])
    figure.update_yaxes(range=[len(rows) - (0.5 if floor is None else -0.5), -0.5 if ceiling is None else -1.5])
    height, margin = 150 + (36 if grouped else 22) * len(rows), {"r": 12 + BAR * columns} | ends
    legend = _legend(board, measure, floor, ceiling, grouped=grouped)
    return finish(figure, height, showlegend=False, margin=margin, meta=legend)


def _legend(board: Board, measure: str, floor: object, ceiling: object, *, grouped: bool) -> str:
    """What intervals, bars, shade and symbols of the forest mean."""
    compared, ranks = boards.cached(queries.comparison, board), "rank" in measure
    tests = "the tests of R2" if ranks else "Wilcoxon over photos, Holm's method"
    return " ".join(
        [
            RESAMPLED,
            *([] if grouped else [f"Bars on the right join neighbours of which no two are told apart ({tests})."]),
            *([too_few(compared)] if compared and not (grouped or ranks) else []),
            *(["Shaded: what the best baseline without a network reaches."] if floor else []),
            *(["Ceiling: the best superpixels, by an oracle that is told the region."] if ceiling else []),
            *(["Baselines are not ranked: floor and ceiling stand where they would be."] if floor and ranks else []),
            "Presentations have their explainer's colour, which others may have too: squares are smoothed, diamonds by "
            "superpixels.",
        ]
    )


def in_order(found: dict[str, dict[str, Estimate]], names: list[str], measure: str) -> list[str]:
    """Those that have the measure, best first."""
    known = [name for name in names if measure in found[name]]
    return sorted(known, key=lambda name: found[name][measure].mean * (1 if "rank" in measure else -1))


def _intervals(
    found: dict[str, dict[str, Estimate]], measure: str, places: dict[str, float], colour: str
) -> go.Scatter:
    """Methods of one colour, each at its place."""
    known = [found[name][measure] for name in places]
    return go.Scatter(
        x=[e.mean for e in known], y=list(places.values()), mode="markers",
        marker={"size": 10, "color": colour, "symbol": _symbols(places)},
        error_x={"array": [0 if e.high is None else e.high - e.mean for e in known], "color": colour, "thickness": 2,
                 "arrayminus": [0 if e.low is None else e.mean - e.low for e in known], "width": 6},
        customdata=[[target(Selection(name)), label(name), bracketed(e.low, e.high, digits=3)]
                    for name, e in zip(places, known, strict=True)],
        hovertemplate="<b>%{customdata[1]}</b><br>"
        f"{BOARD[measure].name} %{{x:.3f}} %{{customdata[2]}}<extra></extra>",
    )  # fmt: skip


def _symbols(names: Iterable[str]) -> list[str]:
    return [SYMBOLS[presentation_of(name)] for name in names]


def limits(board: Board, measure: str) -> tuple[tuple[str, float] | None, tuple[str, float] | None]:
    """The best baseline without a network and the oracle, each with its value; None where there is none."""
    if "rank" in measure:
        values = boards.cached(queries.would_rank, board)
    else:
        found = boards.cached(queries.measures_of_all, board)
        others = [name for name in board.explainers if name not in board.ranked and measure in found[name]]
        values = {name: found[name][measure].mean for name in others}
    ceiling = values.pop(ORACLE, None)
    best = (min if "rank" in measure else max)(values.items(), key=lambda pair: pair[1], default=None)
    return best, None if ceiling is None else (ORACLE, ceiling)


def _limits(
    figure: go.Figure, measure: str, floor: tuple[str, float] | None, ceiling: tuple[str, float] | None, rows: int
) -> None:
    """The floor, shaded and named below the rows, and the ceiling, named above them, where there is more room."""
    dots, values = [x for trace in figure.data for x in trace.x], [limit[1] for limit in (floor, ceiling) if limit]
    middle = (min(dots + values) + max(dots + values)) / 2 if dots else 0.0
    if floor:
        worst = min(0.0, *dots, *values)
        if "rank" in measure:
            whiskers = (zip(trace.x, trace.error_x.array, strict=True) for trace in figure.data)
            worst = 1.04 * max((x + high for pairs in whiskers for x, high in pairs), default=1.0)
            figure.update_xaxes(range=[0, worst])
        figure.add_vrect(x0=worst, x1=floor[1], fillcolor=fade(NEUTRAL, 0.13), line_width=0, layer="below")
    for limit, word, row in ((floor, "floor", rows), (ceiling, "ceiling", -1)):
        if limit:
            name, x = limit
            side, words = "left" if x < middle else "right", "oracle" if name == ORACLE else label(name)
            figure.add_vline(x=x, line={"color": NEUTRAL, "dash": "dot", "width": 1.5})
            figure.add_annotation(
                x=x, y=row, yanchor="middle", xanchor=side, text=f"{word}: {words}", showarrow=False,
                font={"size": 12}, xshift=4 if side == "left" else -4,
            )  # fmt: skip


def _cliques(figure: go.Figure, cliques: Sequence[tuple[int, int]]) -> int:
    """Bars beside the rows of each clique, in as few columns as they need; how many those are."""
    ends: list[int] = []
    for first, last in cliques:
        column = next((i for i, end in enumerate(ends) if end < first), len(ends))
        ends[column : column + 1] = [last]
        figure.add_shape(
            type="line", xref="paper", xsizemode="pixel", xanchor=1, x0=6 + BAR * column, x1=6 + BAR * column,
            y0=first - 0.3, y1=last + 0.3, line={"color": ACCENT, "width": 4},
        )  # fmt: skip
    return len(ends)


def specificity(board: Board, alone: bool = False) -> go.Figure:
    """How specific methods are to the class against how many attacks their first explanation undoes, a dot each.

    Dots are the larger, the better a method finds the region. `alone`: the paper's three.
    """
    found = boards.cached(queries.measures_of_all, board)
    wanted = ("specificity_class", "restored", "mean_jaccard")
    chosen = PAPER if alone else board.ranked
    names = [name for name in board.ranked if name in chosen and all(m in found[name] for m in wanted)]
    rows = pd.DataFrame({m: [found[name][m].mean for name in names] for m in wanted}, index=names)
    figure, colour = go.Figure(), colours(board.explainers)
    x, y, jaccard = (rows[m] for m in wanted)
    sizes = 8 + 60 * jaccard
    beside, led = labelled(x, y, sizes)
    figure.add_trace(
        go.Scatter(
            x=x, y=y, mode="markers+text", text=[label(name) if name in beside else "" for name in names],
            textposition=[beside.get(name, "middle center") for name in names], textfont={"size": 11},
            cliponaxis=False,
            marker={"size": sizes.tolist(), "color": [fade(colour[name], 0.8) for name in names],
                    "symbol": _symbols(names), "line": {"width": 1, "color": [colour[name] for name in names]}},
            customdata=[[target(Selection(name)), score, label(name)]
                        for name, score in zip(names, jaccard, strict=True)],
            hovertemplate="<b>%{customdata[2]}</b><br>above the own class's %{x:.3f}<br>"
            "attacks undone %{y:.0%}<br>mean Jaccard index %{customdata[1]:.3f}<extra></extra>",
        )
    )  # fmt: skip
    if led:
        spots = pd.DataFrame(led.values(), columns=Led._fields)
        figure.add_scatter(
            x=np.stack([spots["x0"], spots["x1"], np.full(len(led), np.nan)], axis=1).ravel(), mode="lines",
            y=np.stack([spots["y0"], spots["y1"], np.full(len(led), np.nan)], axis=1).ravel(), hoverinfo="skip",
            line={"color": NEUTRAL, "width": 0.8},
        )  # fmt: skip
        figure.add_scatter(
            x=spots["x"], y=spots["y"], text=[label(name) for name in led], mode="text", textfont={"size": 11},
            textposition=spots["side"].tolist(), hoverinfo="skip", cliponaxis=False,
        )  # fmt: skip
    (left, right), (bottom, top) = (_room(rows[m]) for m in ("specificity_class", "restored"))
    for step in range(4):  # the nearer the corner, the stronger
        figure.add_shape(
            type="rect", x0=right - (right - left) * (0.42 - 0.1 * step), x1=right, y1=top,
            y0=top - (top - bottom) * (0.42 - 0.1 * step), fillcolor=fade(ACCENT, 0.05), line_width=0, layer="below",
        )  # fmt: skip
    figure.add_annotation(
        x=1, y=1, xref="paper", yref="paper", xanchor="right", yanchor="top", showarrow=False, xshift=-6, yshift=-6,
        text=f"<b>{CORNER}</b>", font={"size": 13},
    )  # fmt: skip
    figure.update_xaxes(
        title="Specificity: mean Jaccard index above<br>that for the photo's own class", range=[left, right]
    )
    figure.update_yaxes(title="Attacks undone by restoring P<sub>1</sub>", tickformat=".0%", range=[bottom, top])
    legend = (
        "Right: the explanation changes when the same image is explained for the photo's own class. Up: pasting the "
        "photo back into its first piece ends the attack. The larger a dot, the better it finds the region."
    )
    return finish(figure, 560, showlegend=False, margin={"b": 80, "t": 12}, meta=legend)


def _room(values: pd.Series) -> tuple[float, float]:
    """The ends of an axis: zero and all values, with some room beyond the best."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0
    return low - 0.1 * span, high + 0.25 * span


class Led(NamedTuple):
    """Where a name begins, Plotly's `textposition` there, and the ends of the line that leads to it: units of the axes.

    So what stands apart in a narrow figure does in a wide one.
    """

    x: float
    y: float
    side: str
    x0: float
    y0: float
    x1: float
    y1: float


def labelled(x: pd.Series, y: pd.Series, sizes: pd.Series) -> tuple[dict[str, str], dict[str, Led]]:
    """Where names stand, by method, those nearest the good corner first.

    Returns:
        Plotly's position of those that have room beside their dots even on a phone; and those that a line leads to.
        Some may have no room at all.
    """
    if not len(x):
        return {}, {}
    (left, right), (bottom, top) = _room(x), _room(y)
    shares = np.column_stack([(x - left) / (right - left), (y - bottom) / (top - bottom)])
    order, radii = np.argsort(-shares.sum(axis=1), kind="stable").tolist(), sizes.to_numpy(float) / 2
    words = [explainer_name(str(name)) for name in x.index]
    phone, wide = (Crowd(shares * np.array(frame), radii, frame) for frame in (PHONE, WIDE))
    for crowd, (width, height), letter in ((phone, PHONE, SMALL), (wide, WIDE, LETTER)):
        crowd.take((width - letter * (len(CORNER) + 4), height - 28, width, height))
    beside: dict[int, Spot] = {}
    for dot in order:
        spot = phone.place(dot, SMALL * len(words[dot]))
        if spot and wide.place(dot, LETTER * len(words[dot]), [spot.side]):
            beside[dot] = spot
    led = {dot: wide.place(dot, LETTER * len(words[dot]), far=True) for dot in order if dot not in beside}
    units = (right - left) / WIDE[0], (top - bottom) / WIDE[1]
    return (
        {str(x.index[dot]): spot.side for dot, spot in beside.items()},
        {str(x.index[dot]): _scaled(x.iloc[dot], y.iloc[dot], spot, *units) for dot, spot in led.items() if spot},
    )


def _scaled(x: float, y: float, spot: Spot, across: float, up: float) -> Led:
    x0, y0, x1, y1 = spot.line
    start = spot.x if spot.side.endswith("center") else x1
    line = (x + x0 * across, y + y0 * up, x + x1 * across, y + y1 * up)
    return Led(x + start * across, y + y1 * up, spot.side, *line)


def cost(board: Board, alone: bool = False) -> go.Figure:
    """Mean Jaccard index against the images that an explanation sends through the network.

    `alone`: the paper's three.
    """
    costs = boards.cached(queries.costs, board)
    costs = costs[costs["explainer"].isin(PAPER)] if alone else costs
    figure, colour = go.Figure(), colours(board.explainers)
    names = costs["explainer"].tolist()
    figure.add_trace(
        go.Scatter(
            x=costs["passes"].clip(lower=PASSES), y=costs["jaccard"], mode="markers",
            text=[label(name) for name in names],
            marker={"size": 10, "color": [colour[name] for name in names], "symbol": _symbols(names)},
            customdata=[[target(Selection(name)), passes, seconds]
                        for name, passes, seconds in records(costs, "explainer", "passes", "seconds")],
            hovertemplate="<b>%{text}</b><br>%{customdata[1]:,.0f} images, %{customdata[2]:.2f} s<br>"
            "mean Jaccard index %{y:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(
        title="Images through the network for one<br>explanation (none stands at 1)", type="log", dtick=1
    )
    figure.update_yaxes(title="Mean Jaccard index (0-1)", rangemode="tozero")
    return finish(figure, 520, showlegend=False, margin={"b": 80})


def pairs(board: Board) -> go.Figure:
    """Difference of the mean Jaccard indices of every two methods; those that are not told apart are left blank."""
    found = boards.cached(queries.comparison, board)
    assert found is not None
    means = boards.cached(queries.measures_of_all, board)
    values = np.array([means[name]["mean_jaccard"].mean for name in found.methods])
    apart = values[:, None] - values[None, :]
    names = [label(name) for name in found.methods]
    hover = [
        [f"{sure(p)}, better in {won:.0%} of the cases" for p, won in zip(*row, strict=True)]
        for row in zip(found.p, np.nan_to_num(found.won, nan=0.5), strict=True)
    ]
    rows, columns = np.array([names] * len(names)).T, np.array([names] * len(names))
    heat = go.Heatmap(
        z=np.where(found.p < CLEAR, apart, np.nan), zmid=0, colorscale=DIFFERENCES, hoverongaps=True,
        customdata=np.dstack([np.array(hover, dtype=object), apart, rows, columns]),
        colorbar={"title": {"text": "row minus column", "side": "right"}, "thickness": 12},
        hovertemplate="<b>%{customdata[2]}</b> against %{customdata[3]}<br>"
        "%{customdata[1]:+.3f}, %{customdata[0]}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat)
    places = list(range(len(names)))
    figure.update_xaxes(tickvals=places, ticktext=names, side="top", tickangle=-60, showgrid=False)
    line_up(figure, names)
    notes = "Blue: the row finds the region better than the column. Blank: not told apart (Wilcoxon over photos, Holm)."
    return finish(figure, 260 + 20 * len(names), margin={"t": 8, "b": 8}, meta=notes)
