"""Pages in words for what cannot be shown; each ends the run of the script."""

from pathlib import Path
from typing import NoReturn

import streamlit as st


def no_store(root: Path) -> NoReturn:
    """Nothing to open under the path."""
    st.title("No store here yet")
    st.markdown("The dashboard shows a published store: the folder that a sweep leaves behind. None was found at")
    st.code(str(root), language=None)
    st.markdown("Make one (minutes on two cores), or open another folder:")
    st.code("wolfspider sweep --profile quick --out data/store\nwolfspider dashboard data/store", language="bash")
    st.stop()


def bad_store(name: str, reason: str) -> NoReturn:
    """A store that cannot be opened, with the reason."""
    st.title("This store cannot be opened")
    st.error(f"**{_plain(name)}**", icon=":material/error:")
    st.code(reason, language=None, wrap_lines=True)
    st.markdown(
        "Nothing of it is shown, since its numbers could not be trusted. Publish it again "
        "(`wolfspider publish FOLDER`), run the sweep again, or choose another store."
    )
    st.stop()


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!$:<>|~" else c for c in text)
