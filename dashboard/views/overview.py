"""Overview: who wins, by how much, and how sure that is."""

import streamlit as st

from compute.scoring.report import paper_ranks
from compute.scoring.words import counted, few_photos
from dashboard import urls
from dashboard.data import boards, queries
from dashboard.figures import clicks
from dashboard.figures import overview as figures
from dashboard.text import markdown
from dashboard.theme import MEASURES, N_HELP
from dashboard.widgets import answers, compare, tables, trouble

AXES = {"n": "n", "pixels": "share of pixels"}
SETTINGS = {"regions": "regions a photo at most", "lime_samples": "LIME samples", "seed": "seed"}

board = boards.current()
manifest = board.manifest
counts = boards.cached(queries.counts, board)

target = manifest["target"]
seen = "class drawn for that photo" if target["index"] is None else f"**{markdown(target['name'])}**"
st.title("Which explainer finds the attack?")
st.markdown(
    f"One region of a photo was changed until **{markdown(manifest['classifier']['name'])}** saw a {seen}; "
    "then each explainer was asked why. "
    "A good explainer points at the region that was attacked."
)
if not counts["cases"]:
    trouble.no_cases(counts["attempts"])

summary = boards.cached(queries.summary, board)
columns = st.columns(4)
columns[0].metric("Photos", f"{counts['photos']:,}", help="Photos that the sweep could read and attack")
columns[1].metric(
    "Attempts", f"{counts['attempts']:,}", help="Attacks on one region of one photo, also those discarded"
)
columns[2].metric(
    "Cases",
    f"{counts['cases']:,}",
    help=f"Attempts that succeeded: {counts['cases'] / counts['attempts']:.0%}. Only these are explained and scored.",
)
columns[3].metric(
    "Explanations per explainer",
    f"{20 * counts['cases']:,}",
    help="Every case at n = 1 … 20; the paper compares 12,160",
)

left, right = st.columns([13, 7], gap="large")
with left:
    st.subheader("Mean ranks")
    st.html(tables.mean_ranks(summary, board.explainers))
    st.caption(
        f"95 % intervals over {counted(summary.photos, 'photo')}; whole photos are resampled, since cases of one photo "
        "are not independent. The random baseline is scored but not ranked. "
        + ("Paper: Inception v3, 112 photos, 608 cases." if paper_ranks(summary) else "")
    )
with right:
    for question, (verdict, support) in (
        ("R1 · Do explainers uncover where the attack was?", answers.answer_r1(summary)),
        ("R2 · Do explainers differ substantially?", answers.answer_r2(summary)),
    ):
        with st.container(border=True):
            st.caption(question)
            st.markdown(f"**{markdown(verdict)}.**  \n{markdown(support)}")
    st.caption("p: by Holm's method over the differences of a question; below 0.05 a difference is clear.")
if few := few_photos(summary.photos):
    st.warning(markdown(few), icon=":material/warning:")
if board.ranked:
    clicks.chart(figures.rank_plot, board)

st.subheader("Likeness against explanation size")
axis = st.segmented_control(
    "Size of an explanation as",
    list(AXES),
    format_func=lambda name: AXES[name],
    required=True,
    help=N_HELP,
    **urls.bound("axis", list(AXES), "n"),
)
clicks.chart(figures.likeness_curves, board, axis == "pixels")
st.caption(
    "Bands: 95 % over photos. Click a point to see its cases. "
    + " ".join(f"{m.name}: {m.formula}." for m in MEASURES.values())
)

compare.overview(board)

classifier = manifest["classifier"]
facts = [
    f"Store {board.name}",
    f"{classifier['name']} at {classifier['size']} x {classifier['size']} pixels",
    *(f"{label} {board.setting(name)}" for name, label in SETTINGS.items()),
]
st.caption(f"{markdown(' · '.join(facts))} · [the whole run]({urls.link('run')})")
