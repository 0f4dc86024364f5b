"""Page: case."""

import streamlit as st

st.title("case")
