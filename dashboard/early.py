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

_PATIENCE = 1.0
"""Seconds that the server waits for the first store: a browser that loads a page meanwhile would slow both."""
_SCRIPTS = Path(st.__file__).parent / "static" / "static" / "js"
_PLAIN = ("/cases", "/case", "/plate")
"""Pages that come without a chart."""
_CONDITIONS = {b"accept-encoding", b"if-none-match", b"if-modified-since"}
"""Headers by which a page would come packed, or not at all."""
_SOCKET = """{ const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (message) {
  WebSocket.prototype.send = send;
  send.call(this, message);
  import("%s");
}; }"""
"""A page asks for its contents by its socket; Plotly's script then runs while the server answers, not before."""
_SWIPES = """addEventListener("touchstart", event => {
  if (event.target.closest?.(".js-plotly-plot")) event.stopImmediatePropagation();
}, { capture: true, passive: true });"""
"""Plotly takes every touch of a chart for a drag. Without it swipes scroll the page; a tap still comes as a click."""


def begin() -> None:
    """Open the store that a visitor sees first, beside loading what any page needs and is slow to load."""
    for name in ("scriptrunner_utils.script_run_context", "caching.cache_data_api"):  # no visitor, no server yet
        logging.getLogger(f"streamlit.runtime.{name}").setLevel(logging.ERROR)
    from dashboard.data import boards  # noqa: F401 (with all that both share, before they part)

    opening = Thread(target=_open_first, daemon=True)
    opening.start()
    import plotly.graph_objects
    import plotly.subplots  # noqa: F401

    from compute.reporting import comparison, report  # noqa: F401

    opening.join(_PATIENCE)
    gc.collect()
    gc.freeze()  # Streamlit collects garbage after every run of a page: 0.2 s, with all that is loaded


class Early:
    """Middleware that adds to the head of pages the style, so that nothing moves, what lets swipes scroll, and Plotly.

    Where there are charts at once, browsers load its script beside the page, and run it while the server makes what it
    will draw.
    """

    def __init__(self, app: ASGIApp) -> None:
        style = Path(__file__).with_name("style.css").read_text()
        self.app, self.all = app, f"<style>{style}</style><script>{_SWIPES}</script>"
        paths = [f"./static/js/{script.name}" for script in _SCRIPTS.glob("PlotlyChart.*.js")]
        self.plotly = "".join(
            f'<link rel="modulepreload" crossorigin href="{path}"><script>{_SOCKET % path}</script>' for path in paths
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; one for a page, to be answered whole and as it is."""
        start: list[Message] = []
        plain = scope.get("path", "").rstrip("/").endswith(_PLAIN)
        head = f"{self.all}{'' if plain else self.plotly}</head>".encode()

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(Headers(raw=message["headers"])):
                start.append(message)
                return
            if start:
                first, body = start.pop(), message.get("body", b"")
                message = {**message, "body": body.replace(b"</head>", head)}
                headers = MutableHeaders(raw=first["headers"])
                headers["content-length"] = str(int(headers["content-length"]) + len(message["body"]) - len(body))
                del headers["etag"], headers["last-modified"]  # they are those of the page without
                await send(first)
            await send(message)

        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "text/html" in Headers(scope=scope).get("accept", ""):
            scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in _CONDITIONS]}
        await self.app(scope, receive, watched)


def _is_page(headers: Headers) -> bool:
    """Whether an answer is a page, of known length, not packed."""
    page = headers.get("content-type", "").startswith("text/html")
    return page and "content-length" in headers and "content-encoding" not in headers


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
            boards.shared(still, board, forest, next(iter(BOARD)), False)
            for draw in (specificity, cost) if boards.cached(queries.has_controls, board) else ():
                boards.shared(still, board, draw, False)
            for measure in MEASURES:
                boards.cached(queries.curves, board, measure)
