"""The figure of Run."""

from collections.abc import Mapping

import plotly.graph_objects as go

from dashboard.figures.overview import finish
from dashboard.theme import ACCENT


def stages(seconds: Mapping[str, float]) -> go.Figure:
    """Seconds by stage as bars."""
    figure = go.Figure(
        go.Bar(
            x=list(seconds.values()), y=list(seconds), orientation="h", marker={"color": ACCENT, "line": {"width": 0}},
            text=[f"{value:,.1f} s" for value in seconds.values()], textposition="outside", cliponaxis=False,
            hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_xaxes(title="Time, s", range=[0, 1.1 * max(seconds.values())])
    figure.update_yaxes(autorange="reversed")
    return finish(figure, 90 + 34 * len(seconds), margin={"l": 8, "r": 8, "t": 8, "b": 8})
