"""Columns of tables that look the same on every page."""

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig


def score_bar(label: str, words: str) -> ColumnConfig:
    """A score 0..1 as a small bar with its number."""
    return st.column_config.ProgressColumn(label, help=words, format="%.3f", min_value=0.0, max_value=1.0)


def signed_score(label: str, words: str) -> ColumnConfig:
    """A difference of scores, -1..1."""
    return st.column_config.NumberColumn(label, help=words, format="%+.3f")


def percentage(label: str, words: str) -> ColumnConfig:
    """A number of percent."""
    return st.column_config.NumberColumn(label, help=words, format="%.1f %%")
