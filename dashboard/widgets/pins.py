"""Cases that a visit has pinned for its failure plate. The visit holds them; addresses say them, to be passed on."""

import streamlit as st

from dashboard import urls
from dashboard.data.selection import join_names, split_names

MOST = 12
_PAGES = ("cases", "case", "plate")
"""Pages whose addresses carry the pins."""


def settle(page: str, store: str) -> None:
    """Take the pins of the address that a visit begins with; from then on, let addresses follow the visit.

    So going back from a case does not unpin it.
    """
    held = st.session_state.setdefault("pins", {})
    held.setdefault(store, split_names(urls.text("pins"), MOST))
    _show(page in _PAGES, held[store])


def pinned(store: str) -> list[str]:
    """The pinned cases in order; they may be of another store."""
    return list(st.session_state["pins"][store])


def toggle(store: str, case_id: str) -> None:
    """Pin a case, or unpin it; a full plate takes no more, and says so."""
    held = pinned(store)
    if case_id in held:
        held.remove(case_id)
    elif len(held) < MOST:
        held.append(case_id)
    else:
        st.toast(f"The plate is full: {MOST} cases.", icon=":material/push_pin:")
    st.session_state["pins"][store] = held
    _show(True, held)


def clear(store: str) -> None:
    """Unpin all."""
    st.session_state["pins"][store] = []
    _show(True, [])


def _show(wanted: bool, held: list[str]) -> None:
    if wanted and held:
        st.query_params["pins"] = join_names(held)
    elif "pins" in st.query_params:
        del st.query_params["pins"]
