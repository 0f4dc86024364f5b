"""What a visit remembers: the browser's entries (history.js), and what every page was last asked."""

from importlib import resources

import streamlit as st

_KIN = {"explainers": "overview", "case": "cases"}
"""Pages that share what they are asked with another."""
_OWN = {
    "overview": {"axis", "board", "only"},
    "explainers": {"measure", "n", "minus", "by", "first"},
    "cases": {"view", "page", "trait"},
    "case": {"case", "at", "panels"},
    "plate": {"methods", "size"},
}
"""Of those, what is asked of one page alone."""

_mount = st.components.v2.component(
    "wolfspider.history", js=resources.files("dashboard.widgets").joinpath("history.js").read_text(encoding="utf-8")
)


def watch(store: str) -> None:
    """Let the browser go back and forward as its visitors expect, with the store in every address; shows nothing."""
    if st.session_state.get("last_page"):  # until then history.js does it
        st.query_params["store"] = store
    _mount(key="history", data={"store": store})


def restore(page: str, store: str) -> None:
    """Ask a page what this visit last asked it: for one that was chosen in the menu, whose link asks nothing."""
    st.query_params.update({**_mine(page, _kept(page, store)), "store": store})


def remember(page: str, store: str) -> None:
    """Keep what the page is asked."""
    st.session_state["last_page"] = page
    kept = _kept(page, store)
    for name in _mine(page, kept):
        del kept[name]
    kept.update({name: value for name, value in st.query_params.to_dict().items() if name not in ("store", "pins")})


def _kept(page: str, store: str) -> dict[str, str]:
    kept: dict[str, str] = st.session_state.setdefault("kept", {}).setdefault((store, _KIN.get(page, page)), {})
    return kept


def _mine(page: str, kept: dict[str, str]) -> dict[str, str]:
    foreign = set().union(*(names for other, names in _OWN.items() if other != page))
    return {name: value for name, value in kept.items() if name not in foreign or name in _OWN.get(page, ())}
