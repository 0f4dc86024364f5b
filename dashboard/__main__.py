"""Streamlit's command line for this app: `python -m dashboard run app.py`, as `launch` starts it.

Streamlit takes a folder named `pages` beside the script for its older kind of app until a first run has called
`st.navigation`: the server's first visitor, coming by a link to a page, would get that page without its frame.
"""

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web.cli import main

PagesManager.uses_pages_directory = False
main(prog_name="streamlit")
