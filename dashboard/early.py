"""What a first visitor would wait for, done early.

The store is opened once the server runs, and browsers load Plotly, 5 MB, beside a page instead of after it.
"""

import contextlib
import logging
from pathlib import Path
from threading import Thread

import plotly.graph_objects  # noqa: F401 (slow to load, and any page needs it)
import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from compute.reporting import comparison  # noqa: F401 (likewise)
from compute.store import opening  # noqa: F401 (likewise)


class Early:
    """Middleware that opens the store when the server starts, and names Plotly's script in the head of pages."""

    def __init__(self, app: ASGIApp) -> None:
        scripts = (Path(st.__file__).parent / "static" / "static" / "js").glob("PlotlyChart.*.js")
        links = ", ".join(f"<./static/js/{script.name}>; rel=modulepreload; crossorigin" for script in scripts)
        self.app, self.links = app, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                Thread(target=_open_first, daemon=True).start()
            if message["type"] == "http.response.start" and self.links:
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers["link"] = self.links
            await send(message)

        await self.app(scope, receive, watched if scope["type"] != "websocket" else send)


def _open_first() -> None:
    """Open the store that a visitor sees first, and ask what its Overview asks."""
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)  # no visitor
    from dashboard.data import boards, queries  # here: Streamlit's caches want a server that runs
    from dashboard.theme import MEASURES

    with contextlib.suppress(Exception):  # what is wrong with it, the page will say
        for name, path in list(boards.find(boards.root()).items())[:1]:
            board = boards.open_board(name, path)
            for query in (queries.summary, queries.comparison, queries.measures_of_all):
                boards.cached(query, board)
            for measure in MEASURES:
                boards.cached(queries.curves, board, measure)
