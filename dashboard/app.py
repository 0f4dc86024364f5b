"""The dashboard's entry: choose a store, then a page. Run it by `wolfspider dashboard`."""

import streamlit as st

from compute.errors import InputError
from dashboard import boards, trouble, urls


def choose() -> boards.Board:
    """The store that the URL or the selector names; a page in words instead, where there is none to open."""
    root = boards.root()
    stores = boards.find(root)
    if not stores:
        trouble.no_store(root)
    names = list(stores)
    if urls.text("store") not in {"", *names}:
        st.sidebar.warning("The link names a store that is not here; this is another one.")
    if len(names) > 1:
        name = st.sidebar.selectbox(
            "Store", names, key="store", bind="query-params", help=f"Published stores under {root}"
        )
    else:
        name = names[0]
    try:
        return boards.open_board(name, stores[name])
    except InputError as error:
        trouble.bad_store(name, str(error))


def main() -> None:
    """One run of the script: frame, store, page."""
    st.set_page_config(page_title="wolfspider", page_icon=":material/hub:", layout="wide")
    pages = [
        st.Page(f"pages/{path}.py", title=title, icon=icon, url_path=path, default=path == "overview")
        for path, (title, icon) in urls.PAGES.items()
    ]
    page = st.navigation(pages)
    st.session_state["board"] = choose()
    page.run()


main()
