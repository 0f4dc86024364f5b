"""The server that `launch` starts, by `streamlit run`: the app behind a check of the requests' Host header.

A page elsewhere can let its own name lead to this machine (DNS rebinding), and so read what listens here as if it were
its own. Such a request names that page's host. An address, which nothing can be made to lead to, is safe.

uvicorn runs on uvloop where that is installed. On asyncio's own loop, the socket that Streamlit (1.67) binds keeps
small answers back until the browser confirms what came before (Nagle's algorithm): 40 ms for most of a page's hundred
files.
"""

import ipaddress
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from dashboard import HOSTS_VARIABLE
from dashboard.early import Early, begin

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


def _allow_open_files() -> None:
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


_allow_open_files()
if HOSTS_VARIABLE in os.environ:  # as `launch` starts it
    begin()
_names = set(filter(None, os.environ.get(HOSTS_VARIABLE, "").lower().split(",")))
app = st.App(Path(__file__).with_name("app.py"), middleware=[Middleware(KnownHosts, names=_names), Middleware(Early)])
