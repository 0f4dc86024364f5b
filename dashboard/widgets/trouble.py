"""Pages in words for what cannot be shown; each ends the run of the script."""

from collections.abc import Callable, Iterable
from typing import NoReturn

import streamlit as st

from compute.store.places.place import Place
from dashboard import urls
from dashboard.text import markdown, visible


def no_store(root: Place) -> NoReturn:
    """Nothing to open under the path."""
    st.title("No store here yet")
    st.markdown("The dashboard shows a published store: the folder that a sweep leaves behind. None was found at")
    st.code(visible(root), language=None)
    st.markdown("Make one (minutes on two cores), or open another folder:")
    st.code("wolfspider sweep --profile quick --out data/store\nwolfspider dashboard data/store", language="bash")
    st.stop()


def unreachable(reason: str) -> NoReturn:
    """A URL that cannot be asked, with the reason."""
    st.title("No store can be reached")
    st.code(visible(reason), language=None, wrap_lines=True)
    st.button("Try again", type="primary")
    st.stop()


def bad_store(name: str, reason: str) -> NoReturn:
    """A store that cannot be opened, with the reason."""
    st.title("This store cannot be opened")
    st.error(f"**{markdown(name)}**", icon=":material/error:")
    st.code(visible(reason), language=None, wrap_lines=True)
    st.markdown(
        "Nothing of it is shown, since its numbers could not be trusted. Publish it again "
        "(`wolfspider publish FOLDER`), run the sweep again, open it with the wolfspider "
        "that made it, or choose another store."
    )
    st.stop()


def gone(name: str, others: Iterable[str]) -> NoReturn:
    """A store that was there when this visit began, with the others that are."""
    st.title("This store is gone")
    st.error(f"**{markdown(name)}** was deleted or renamed while it was open.", icon=":material/folder_off:")
    for other in others:
        st.page_link("views/overview.py", label=f"Open {markdown(other)}", query_params={"store": other})
    st.stop()


def replaced(name: str, go_on: Callable[[], None]) -> NoReturn:
    """A store that is another one than when this visit began: its numbers may not stand under the same headings."""
    st.title("This store was replaced")
    st.warning(f"**{markdown(name)}** has changed since you opened it.", icon=":material/published_with_changes:")
    st.button("Show the new one", on_click=go_on, type="primary")
    st.stop()


def unreadable(what: str) -> None:
    """Pictures that the store has, and that its damaged files do not give."""
    st.warning(
        f"{markdown(what)} cannot be read from the store's files: [Run]({urls.link('run')}) can check them.",
        icon=":material/broken_image:",
    )


def refused(names: Iterable[str]) -> None:
    """Which parameters of the link were ignored."""
    st.warning(
        f"This link asks for something that this store does not have; ignored: {', '.join(dict.fromkeys(names))}.",
        icon=":material/link_off:",
    )


def unexpected() -> None:
    """Something that nobody foresaw; the log has the trace."""
    st.error("This page could not be drawn.", icon=":material/error:")
    st.markdown(
        "The store may hold something unusual; Run can check it, and the server's log says more. The rest works."
    )


def no_cases(attempts: int) -> NoReturn:
    """A store without a single case."""
    why = f"All {attempts} attempts were discarded." if attempts else "No photo was attacked."
    st.info(f"This store has no case. {why} Attacks and Run tell more.", icon=":material/info:")
    left, right, _ = st.columns([1, 1, 6])
    left.page_link("views/attacks.py", label="Attacks", icon=":material/target:")
    right.page_link("views/run.py", label="Run", icon=":material/receipt_long:")
    st.stop()
