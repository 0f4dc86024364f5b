"""Explainers: how each one scores, against what, and against whom."""

import streamlit as st

from dashboard import boards, clicks, compare, figures_explainers, queries, trouble, urls
from dashboard.selection import SIZES
from dashboard.theme import MEAN_RANK_HELP, MEASURES, N_HELP

ROWS = 25
GROUPS = {"photo": "photo", "clean": "original class"}
FIRST = ["hardest", "easiest"]
board = boards.current()
counts = boards.cached(queries.counts, board)

st.title("Explainers")
if not counts["cases"]:
    trouble.no_cases(counts["attempts"])
left, right, _ = st.columns([3, 2, 3], vertical_alignment="bottom")
with left:
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        format_func=lambda m: MEASURES[m].name,
        required=True,
        help="\n\n".join(f"**{m.name}**: {m.help}" for m in MEASURES.values()),
        **urls.bound("measure", list(MEASURES), "jaccard"),
    )
with right:
    n = st.selectbox(
        "Score of a case",
        SIZES,
        format_func=lambda size: {"best": "best over n", "mean": "mean over n"}.get(size, f"at n = {size}"),
        help=N_HELP,
        **urls.bound("n", SIZES, "mean"),
    )
st.caption("Every bar, cell and point can be clicked: it opens the cases behind it.")

left, right = st.columns(2, gap="large")
with left:
    st.subheader("Distribution over cases")
    spread = boards.cached(queries.distribution, board, measure, n)
    clicks.draw(figures_explainers.distributions(spread, board.explainers, measure, n), key="spread")
with right:
    st.subheader(
        "Head to head", help="In how many of the cases that both have explained one scores higher than the other"
    )
    wins = boards.cached(queries.wins, board, measure, n)
    clicks.draw(figures_explainers.win_matrix(wins, board.explainers, measure, n), key="wins")
    st.caption("Share of cases in which the row scores higher than the column.")

st.subheader("What makes a case hard")
found = {c: boards.cached(queries.bands, board, measure, n, c) for c in figures_explainers.BAND_COLUMNS}
clicks.draw(figures_explainers.band_curves(found, board.explainers, measure, n), key="bands")
st.caption("Each band holds about as many cases as the others; points sit at its median, bars are 95 % over photos.")

if board.ranked:
    st.subheader("Ranks at every explanation size", help=MEAN_RANK_HELP)
    ranks = boards.cached(queries.ranks, board, measure)
    clicks.draw(figures_explainers.rank_shares(ranks, board.ranked, measure), key="ranks")
    st.caption("The strongest shade is rank 1, the palest the last rank; shades between are shared ranks too.")

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
groups = boards.cached(queries.by_group, board, measure, n, by)
order = groups.groupby("key")["mean"].mean().sort_values(ascending=first == "hardest").index
shown = groups.set_index("key").loc[order[:ROWS]].reset_index()
clicks.draw(figures_explainers.group_dots(shown, board.explainers, by, measure, n), key="groups")
if len(order) > ROWS:
    st.caption(f"{ROWS} of {len(order):,} are shown, by the mean over explainers.")

compare.explainers(board, measure, n)
