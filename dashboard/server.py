"""The server that `launch` starts, by `streamlit run`: the app behind a check of the requests' Host header.

A page elsewhere can let its own name lead to this machine (DNS rebinding), and so read what listens here as if it were
its own. Such a request names that page's host. An address, which nothing can be made to lead to, is safe.
"""

import contextlib
import ipaddress
import logging
import os
import sys
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

import plotly.graph_objects  # noqa: F401 (slow to load, and any page needs it)
import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from compute.errors import InputError
from compute.reporting import comparison  # noqa: F401 (likewise)
from compute.store import opening  # noqa: F401 (likewise)
from dashboard import HOSTS_VARIABLE

_OPEN_FILES = 4096
"""A session has an event loop of its own, of three files; 256, usual elsewhere than on Linux, are soon used up."""


def known(host: str, names: set[str]) -> bool:
    """Whether a Host header is an address, localhost, or one of the names ("*": any), whatever the port."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return "*" in names or name in {"localhost", *names}


class KnownHosts:
    """Middleware that answers only to known hosts."""

    def __init__(self, app: ASGIApp, names: set[str]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan" or known(Headers(scope=scope).get("host", ""), self.names):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            words = "This dashboard does not go by that name; start it with --allow-host NAME to let it.\n"
            await PlainTextResponse(words, status_code=421)(scope, receive, send)


class Early:
    """Middleware that does early what a first visitor would wait for.

    The store is opened once the server runs; and browsers load Plotly, 5 MB, beside a page instead of after it.
    """

    def __init__(self, app: ASGIApp) -> None:
        scripts = (Path(st.__file__).parent / "static" / "static" / "js").glob("PlotlyChart.*.js")
        links = ", ".join(f"<./static/js/{script.name}>; rel=modulepreload; crossorigin" for script in scripts)
        self.app, self.links = app, links

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a page's answer names the scripts."""

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
    """Open the store that a visitor sees first; what is wrong with it, the page will say."""
    logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context").setLevel(logging.ERROR)  # no visitor
    from dashboard.data import boards, queries  # here: Streamlit's caches want a server that runs
    from dashboard.figures import board as figures

    with contextlib.suppress(InputError):
        for name, path in list(boards.find(boards.root()).items())[:1]:
            board = boards.open_board(name, path)
            boards.cached(queries.summary, board)
            boards.shared(figures.forest, board, "mean_jaccard")


def _allow_open_files() -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_allow_open_files()
_names = set(filter(None, os.environ.get(HOSTS_VARIABLE, "").lower().split(",")))
app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(KnownHosts, names=_names), Middleware(Early)])
