"""Pages and their filters in the URL: read with checks, written as links that keep the store."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import streamlit as st

PAGES = {
    "overview": ("Overview", ":material/leaderboard:"),
    "explainers": ("Explainers", ":material/compare_arrows:"),
    "cases": ("Cases", ":material/grid_view:"),
    "case": ("Case", ":material/image_search:"),
    "plate": ("Plate", ":material/view_comfy:"),
    "blame": ("Blame", ":material/bubble_chart:"),
    "attacks": ("Attacks", ":material/target:"),
    "run": ("Run", ":material/receipt_long:"),
}
"""Page path to title and icon; the file is views/PATH.py."""

Value = str | int | float


def text(name: str, default: str = "") -> str:
    """A query parameter as it stands; validate it by lookup before use."""
    return st.query_params.get(name, default)


def refuse(*names: str) -> None:
    """Note that query parameters make no sense for this store; app.py says which."""
    st.session_state.setdefault("refused", []).extend(names)


def choice(name: str, options: Sequence[str], default: str) -> str:
    """A query parameter that must be one of the options; the default where it is not."""
    value = text(name)
    if value and value not in options:
        refuse(name)
    return value if value in options else default


def integer(name: str, low: int, high: int) -> int | None:
    """A whole number within the bounds; None where absent or not one."""
    found = re.fullmatch(r"\d{1,9}", text(name), re.ASCII)
    if found and low <= int(found[0]) <= high:
        return int(found[0])
    if text(name):
        refuse(name)
    return None


def bound(name: str, options: Sequence[str], default: str | None) -> dict[str, Any]:
    """Arguments that tie a widget to a query parameter: the URL decides its value, a choice is written to the URL.

    Streamlit's own `bind="query-params"` writes labels instead of values, and forbids links to set what is bound.
    """

    def write() -> None:
        chosen = st.session_state[name]
        if chosen in (None, default):
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = chosen

    value = text(name)
    if value and value not in options:
        refuse(name)
    st.session_state[name] = value if value in options else default
    return {"key": name, "on_change": write}


def folded(name: str) -> dict[str, Any]:
    """Arguments that tie an expander, folded unless the URL has its name, to the URL; its `.open` says what to draw."""

    def write() -> None:
        if st.session_state[name]:
            st.query_params[name] = "open"
        else:
            st.query_params.pop(name, None)

    st.session_state[name] = choice(name, ["open"], "") == "open"
    return {"key": name, "on_change": write}


def with_store(**params: Value | None) -> dict[str, str]:
    """Query parameters as text, those that are None left out, with the store of this visit."""
    given = {"store": st.query_params.get("store") or st.session_state.get("last_store"), **params}
    return {
        name: f"{value:g}" if isinstance(value, float) else str(value)
        for name, value in given.items()
        if value is not None
    }


def link(page: str, **params: Value | None) -> str:
    """The path of a page with its filters, below the server's base path."""
    parts = [st.get_option("server.baseUrlPath").strip("/"), "" if page == "overview" else page]
    path, query = "/" + "/".join(filter(None, parts)), urlencode(with_store(**params))
    return f"{path}?{query}" if query else path


def go(page: str, **params: Value | None) -> None:
    """Leave for a page with its filters."""
    st.switch_page(f"views/{page}.py", query_params=with_store(**params))
