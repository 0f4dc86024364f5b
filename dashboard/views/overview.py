"""Overview: who wins, by how much, and how sure that is."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from compute.reporting.report import PAPER, Report, board_as_csv, board_as_latex, paper_ranks, report
from compute.reporting.words import few_photos
from dashboard import urls
from dashboard.data import boards, queries
from dashboard.figures import board as board_figures
from dashboard.figures import clicks
from dashboard.figures import overview as figures
from dashboard.text import markdown
from dashboard.theme import BOARD, N_HELP, explainer_name
from dashboard.widgets import answers, compare, methods, tables, trouble
from dashboard.widgets.answers import of_the_paper

AXES = {"n": "n", "pixels": "share of pixels"}
SHOWN = {"all": "All", "grouped": "By explainer", "paper": "The paper's three"}
SETTINGS = {"regions": "regions a photo at most", "lime_samples": "LIME samples", "seed": "seed"}

board = boards.current()


def _written(make: Callable[[Report], str], measure: str) -> str:
    found = report(board.store)
    best = board_figures.in_order(found.board, list(found.board), measure)
    names = [*best, *(name for name in found.board if name not in best)]
    called = explainer_name if make is board_as_latex else str
    return make(replace(found, board={called(name): found.board[name] for name in names}))


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

many = len(board.ranked) > len(PAPER)
shown = "all"
if many and summary.paper:
    shown = st.segmented_control(
        "Methods",
        list(SHOWN),
        format_func=SHOWN.__getitem__,
        required=True,
        help="By explainer: its presentations in one row. The paper's three: those among themselves, as in Table 1, "
        "whoever else takes part.",
        **urls.bound("only", list(SHOWN), "all"),
    )
table1 = of_the_paper(summary) if shown == "paper" else summary

left, right = st.columns([13, 7], gap="large")
with left:
    if many and shown != "paper":
        grouped = shown == "grouped"
        measure = st.selectbox(
            "Methods, best first, by",
            list(BOARD),
            format_func=lambda name: BOARD[name].name,
            **urls.bound("board", list(BOARD), "mean_jaccard"),
        )
        clicks.chart(board_figures.forest, board, measure, grouped)
    else:
        st.subheader("Mean ranks")
        st.html(tables.mean_ranks(table1, [name for name in board.explainers if name in table1.explainers]))
        st.caption(
            f"{figures.RESAMPLED} Baselines are scored but not ranked. "
            + ("Paper: Inception v3, 112 photos, 608 cases." if paper_ranks(table1) else "")
        )
        measure = "mean_rank_jaccard"
    forms = (partial(_written, make, measure) for make in (board_as_csv, board_as_latex))
    tables.take("All methods", f"{board.name}-board", *forms)
with right:
    for question, (verdict, support) in (
        ("R1 · Do explainers uncover where the attack was?", answers.answer_r1(table1)),
        ("R2 · Do explainers differ substantially?", answers.answer_r2(table1)),
    ):
        with st.container(border=True):
            st.caption(question)
            st.markdown(f"**{markdown(verdict)}.**  \n{markdown(support)}")
    st.caption("p: by Holm's method over the differences of a question; below 0.05 a difference is clear.")
if few := few_photos(summary.photos):
    st.warning(markdown(few), icon=":material/warning:")
if summary.ranked and (shown == "paper" or not many):
    clicks.chart(figures.rank_plot, board, shown == "paper")

if boards.cached(queries.has_controls, board):
    st.subheader("Is an explanation about this prediction?")
    left, right = st.columns([11, 9], gap="large")
    with left:
        clicks.chart(board_figures.specificity, board, shown == "paper")
    with right:
        clicks.chart(board_figures.cost, board, shown == "paper")
if many and shown != "paper":
    fold = st.expander("Every two methods: who is better, and is it clear?", **urls.folded("pairs"))
    if fold.open:  # a browser takes half a second for 40 x 40 cells
        with fold:
            clicks.chart(board_figures.pairs, board)
            tables.take_frame(
                "All pairs",
                f"{board.name}-pairs",
                boards.cached(queries.pairwise, board),
                f"{board.name}: differences of mean Jaccard indices, first minus second; p of Wilcoxon's tests over "
                "photos by Holm's method; share of cases in which the first is better.",
            )

st.subheader("Likeness against explanation size")
axis = st.segmented_control(
    "Size of an explanation as",
    list(AXES),
    format_func=lambda name: AXES[name],
    required=True,
    help=N_HELP,
    **urls.bound("axis", list(AXES), "n"),
)
clicks.chart(figures.likeness_curves, board, axis == "pixels", methods.chosen(board))
st.caption("Click a point to see its cases.")

compare.overview(board)

classifier = manifest["classifier"]
facts = [
    f"Store {board.name}",
    f"{classifier['name']} at {classifier['size']} x {classifier['size']} pixels",
    *(f"{label} {board.setting(name)}" for name, label in SETTINGS.items()),
]
st.caption(f"{markdown(' · '.join(facts))} · [the whole run]({urls.link('run')})")
