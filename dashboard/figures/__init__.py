"""Plotly figures, by page."""
