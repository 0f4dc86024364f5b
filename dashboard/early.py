"""What a first visitor would wait for, done early.

The store is opened while the server still loads, and browsers load Plotly, 5 MB, beside a page instead of after it.
"""

import contextlib
import gc
import logging
from pathlib import Path
from threading import Thread

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


def begin() -> None:
    """Open the store that a visitor sees first, beside loading what any page needs and is slow to load."""
    for name in ("scriptrunner_utils.script_run_context", "caching.cache_data_api"):  # no visitor, no server yet
        logging.getLogger(f"streamlit.runtime.{name}").setLevel(logging.ERROR)
    from dashboard.data import boards  # noqa: F401 (with all that both share, before they part)

    Thread(target=_open_first, daemon=True).start()
    import plotly.graph_objects
    import plotly.subplots  # noqa: F401

    from compute.reporting import comparison, report  # noqa: F401

    gc.collect()
    gc.freeze()  # Streamlit collects garbage after every run of a page: 0.2 s, with all that is loaded


class Early:
    """Middleware that names Plotly's script in the head of pages, where browsers load and run it while they wait."""

    def __init__(self, app: ASGIApp) -> None:
        scripts = (Path(st.__file__).parent / "static" / "static" / "js").glob("PlotlyChart.*.js")
        tags = [f'<script type="module" src="./static/js/{script.name}"></script>' for script in scripts]
        self.app, self.head = app, "".join([*tags, "</head>"]).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        start: list[Message] = []

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                if kind.startswith("text/html"):
                    start.append(message)
                    return
            if start:
                first, body = start.pop(), message.get("body", b"")
                message = {**message, "body": body.replace(b"</head>", self.head)}
                headers = MutableHeaders(raw=first["headers"])
                if "content-length" in headers:
                    headers["content-length"] = str(int(headers["content-length"]) + len(message["body"]) - len(body))
                await send(first)
            await send(message)

        await self.app(scope, receive, watched if scope["type"] == "http" else send)


def _open_first() -> None:
    """Open the first store, ask what its Overview asks, and draw what it draws first."""
    from dashboard.data import boards

    with contextlib.suppress(Exception):  # what is wrong with it, the page will say
        for name, path in list(boards.find(boards.root()).items())[:1]:
            board = boards.open_board(name, path)
            from dashboard.data import queries
            from dashboard.figures.board import cost, forest, specificity
            from dashboard.figures.clicks import still
            from dashboard.theme import BOARD, MEASURES

            for query in (queries.summary, queries.comparison, queries.measures_of_all):
                boards.cached(query, board)
            boards.shared(still, board, forest, next(iter(BOARD)))
            for draw in (specificity, cost) if boards.cached(queries.has_controls, board) else ():
                boards.shared(still, board, draw)
            for measure in MEASURES:
                boards.cached(queries.curves, board, measure)
