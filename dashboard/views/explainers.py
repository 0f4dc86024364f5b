"""Explainers: how each one scores, against what, and against whom."""

import streamlit as st

from dashboard import urls
from dashboard.data import boards, queries
from dashboard.data.selection import SIZES
from dashboard.figures import clicks
from dashboard.figures import explainers as figures_explainers
from dashboard.text import visible
from dashboard.theme import MEAN_RANK_HELP, MEASURES, N_HELP, explainer_name
from dashboard.widgets import compare, methods, trouble

GROUPS = {"photo": "photo", "clean": "original class"}
FIRST = ["hardest", "easiest"]
board = boards.current()
counts = boards.cached(queries.counts, board)

st.title("Explainers")
if not counts["cases"]:
    trouble.no_cases(counts["attempts"])
left, middle, right, _ = st.columns([4, 3, 3, 2], vertical_alignment="bottom")
with left:
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        format_func=lambda m: MEASURES[m].name,
        required=True,
        help="\n\n".join(f"**{m.name}**: {m.help}" for m in MEASURES.values()),
        **urls.bound("measure", list(MEASURES), "jaccard"),
    )
with middle:
    n = st.selectbox(
        "Score of a case",
        SIZES,
        format_func=lambda size: {"best": "best over n", "mean": "mean over n"}.get(size, f"at n = {size}"),
        help=N_HELP,
        **urls.bound("n", SIZES, "mean"),
    )
baselines = [name for name in board.explainers if name not in board.ranked]
with right:
    minus = st.selectbox(
        "Minus",
        ["", *baselines],
        format_func=lambda name: visible(explainer_name(name)) if name else "nothing",
        help="Takes a baseline's score of the same case away, where the size of regions confounds: a large region "
        "raises every Jaccard index, random's too. Wins and ranks stay as they are.",
        **urls.bound("minus", ["", *baselines], ""),
    )
names = methods.chosen(board)
st.caption("Every bar, cell and point can be clicked: it opens the cases behind it.")

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Distribution over cases")
    clicks.chart(figures_explainers.distributions, board, measure, n, minus, names)
with right:
    st.subheader(
        "Head to head", help="In how many of the cases that both have explained one scores higher than the other"
    )
    clicks.chart(figures_explainers.win_matrix, board, measure, n, names)

st.subheader("What makes a case hard")
clicks.chart(figures_explainers.band_curves, board, measure, n, minus, names)

if set(board.ranked) & set(names):
    st.subheader("Ranks at every explanation size", help=MEAN_RANK_HELP)
    clicks.chart(figures_explainers.rank_shares, board, measure, names)

st.subheader("By photo and by original class")
left, right, _ = st.columns([3, 2, 3], vertical_alignment="bottom")
with left:
    by = st.segmented_control(
        "Group by",
        list(GROUPS),
        format_func=lambda name: GROUPS[name],
        required=True,
        **urls.bound("by", list(GROUPS), "photo"),
    )
with right:
    first = st.segmented_control("Show first", FIRST, required=True, **urls.bound("first", FIRST, "hardest"))
clicks.chart(figures_explainers.group_dots, board, by, first, measure, n, minus, names)

compare.explainers(board, measure, n, names)
