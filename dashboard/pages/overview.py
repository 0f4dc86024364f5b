"""Page: overview."""

import streamlit as st

from dashboard import boards

board = boards.current()
st.title("overview")
