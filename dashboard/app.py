"""The dashboard's entry: choose a store, then a page. Run it by `wolfspider dashboard`."""

import logging

import streamlit as st

from compute.errors import InputError
from dashboard import urls
from dashboard.data import boards
from dashboard.text import visible
from dashboard.widgets import history, pins, trouble

PICTURED = ("cases", "case", "plate", "blame", "attacks")  # pages of pictures, or of what follows from them
STORE_HELP = "One run of one configuration. Overview and Explainers can set two side by side."


def choose() -> boards.Board:
    """The store that the URL or the selector names; a page in words instead, where there is none to open."""
    root = boards.root()
    try:
        stores = boards.find(root)
    except InputError as error:
        trouble.unreachable(str(error))
    if not stores:
        trouble.no_store(root)
    names = list(stores)
    asked = urls.text("store") or st.session_state.get("last_store", "")
    if asked not in names and asked in st.session_state.get("seen", {}):
        trouble.gone(asked, names)
    if asked not in {"", *names}:
        st.warning("The link names a store that is not here; this is another one.", icon=":material/link_off:")
    name = asked if asked in names else names[0]
    history.watch(name)
    if len(names) > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("Store", help=STORE_HELP, width="content")
            tied = urls.bound("store", names, None)
            name = st.selectbox("Store", names, format_func=visible, width=280, label_visibility="collapsed", **tied)
    st.session_state["last_store"] = name
    try:
        board = boards.open_board(name, stores[name])
    except InputError as error:
        trouble.bad_store(name, str(error))
    seen = st.session_state.setdefault("seen", {})
    if seen.setdefault(name, board.manifest["tables"]) != board.manifest["tables"]:
        trouble.replaced(name, seen.clear)
    return board


def main() -> None:
    """One run of the script: frame, store, page."""
    st.set_page_config(page_title="wolfspider", page_icon="🕷️", layout="wide", initial_sidebar_state="auto")
    pages = [
        st.Page(f"views/{path}.py", title=title, icon=icon, url_path=path, default=path == "overview")
        for path, (title, icon) in urls.PAGES.items()
    ]
    page = st.navigation(pages, position="top")
    path = page.url_path or "overview"
    from_menu = not st.query_params and st.session_state.get("last_page") not in (None, path)  # other links ask more
    board = st.session_state["board"] = choose()
    if from_menu:
        history.restore(path, board.name)
    pins.settle(path, board.name)
    history.remember(path, board.name)
    st.set_page_config(page_title=f"{page.title} · {visible(board.name)} · wolfspider")
    if not board.pictured and path in PICTURED:
        st.info("This store holds no pictures: it was made or packed without them.", icon=":material/hide_image:")
    st.session_state["refused"], note = [], st.empty()
    try:
        page.run()
        if refused := st.session_state["refused"]:
            with note:
                trouble.refused(refused)
    except Exception:  # whatever a store or a link holds, visitors read words, and the log the trace
        logging.getLogger(__name__).exception("page %s", page.url_path)
        trouble.unexpected()


main()
