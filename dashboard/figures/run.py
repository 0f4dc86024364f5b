"""The figure of Run."""

from collections.abc import Mapping

import plotly.graph_objects as go

from dashboard.figures.overview import finish, line_up
from dashboard.text import plotly
from dashboard.theme import ACCENT


def stages(seconds: Mapping[str, float]) -> go.Figure:
    """Seconds by stage of a sweep, of all workers together; the longest first."""
    seconds = dict(sorted(seconds.items(), key=lambda stage: -stage[1]))
    figure = go.Figure(
        go.Bar(
            x=list(seconds.values()), y=list(range(len(seconds))), orientation="h",
            marker={"color": ACCENT, "line": {"width": 0}},
            text=[f"{value:,.1f} s" for value in seconds.values()], textposition="outside", cliponaxis=False,
            hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_xaxes(title="Time, s", range=[0, 1.3 * max(seconds.values())])
    line_up(figure, [plotly(stage) for stage in seconds])
    return finish(figure, 90 + 34 * len(seconds), margin={"t": 8}, meta="Of all workers together.")
