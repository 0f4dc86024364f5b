"""Page: run."""

import streamlit as st

from dashboard import boards

board = boards.current()
st.title("run")
