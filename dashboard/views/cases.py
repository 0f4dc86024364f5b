"""Cases: filter and rank them, as a gallery, a table or a scatter plot, and take the selection away."""

import math
from functools import partial
from typing import Any

import streamlit as st

from compute.reporting.tabular import frame_as_csv, frame_as_latex
from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.questions import MISSED, QUESTIONS, TRAITS
from dashboard.data.selection import CORNERS, Selection
from dashboard.figures import clicks
from dashboard.figures import scatter as scatter_figures
from dashboard.text import markdown, visible
from dashboard.theme import CONFIG
from dashboard.viewer import export
from dashboard.widgets import filters, gallery, pins, tables
from dashboard.widgets.tables import percentage, score_bar, signed_score

VIEWS = {"gallery": ":material/grid_view:", "table": ":material/table_rows:", "scatter": ":material/scatter_plot:"}
TABLE = 1000  # rows that the table shows at most; the downloads hold all
OF_A_PAPER = 10  # columns that have room on a page
remembered = st.cache_data(show_spinner=False, max_entries=200, hash_funcs=boards.KEYS)


def main() -> None:
    """One run of the page."""
    board = boards.current()
    st.title("Cases", anchor=False)
    selection = filters.read(board)
    filters.question_widget(board, selection)
    if selection.question:
        st.caption(QUESTIONS[selection.question].words.format(missed=MISSED[selection.measure]))
    filters.score_widgets(board, selection)
    with st.sidebar:
        st.subheader("Limits", anchor=False)
        filters.limit_widgets(board, selection)
    total = count(board, selection)
    view = bar(board, selection, total)
    if not total:
        nothing(board, selection)
    elif view == "table":
        table(board, selection, total)
    elif view == "scatter":
        scatter(board, selection)
    else:
        gallery.show(board, selection, total)


def bar(board: Board, selection: Selection, total: int) -> str:
    """How many cases match, the downloads, the view (of VIEWS), and the limits to lift."""
    view = urls.choice("view", list(VIEWS), "gallery")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {total:,} {'case' if total == 1 else 'cases'}", width="content")
        st.space("stretch")
        if held := pins.pinned(board.name):
            label = f"Plate: {len(held)} pinned"
            st.page_link("views/plate.py", label=label, icon=":material/keep:", query_params=urls.with_store())
        for kind, make in (("csv", export.table_csv), ("parquet", export.table_parquet)):
            st.download_button(
                {"csv": "CSV", "parquet": "Parquet"}[kind],
                partial(make, board, selection),
                file_name=f"{board.name}-cases.{kind}",
                icon=":material/download:",
                disabled=not total,
                on_click="ignore",
                help="All matching cases in this order, with the scores of all methods.",
            )
        st.session_state["cases_view"] = view
        st.segmented_control(
            "View",
            list(VIEWS),
            format_func=VIEWS.__getitem__,
            key="cases_view",
            label_visibility="collapsed",
            required=True,
            on_change=lambda: st.query_params.update(view=st.session_state["cases_view"]),
        )
    with st.container(horizontal=True, gap="small"):
        for group in selection.active():
            st.button(
                markdown(filters.group_words(board, selection, group)),
                key=f"lift_{group[0]}",
                icon=":material/close:",
                help="Lift this limit",
                on_click=filters.write,
                args=(selection.without(group),),
            )
    return view


def nothing(board: Board, selection: Selection) -> None:
    """No case matches: what to change so that some do."""
    offers = matching.nearest(board.query, selection)
    more = "the nearest filters that match are" if len(offers) > 1 else "the nearest filter that matches is"
    st.info(f"No case matches; {more}:" if offers else "No case matches.", icon=":material/search_off:")
    for group, other, total in offers:
        what = f"without “{filters.group_words(board, selection, group)}”"
        if other.active() == selection.active():
            what = filters.group_words(board, other, group)
        st.button(
            markdown(f"{what}: {total:,} {'case' if total == 1 else 'cases'}"),
            key=f"nearest_{group[0]}",
            icon=":material/arrow_forward:",
            on_click=filters.write,
            args=(other,),
        )
    everything = Selection(selection.explainer, selection.measure, selection.n)
    st.button("Lift all limits", icon=":material/filter_alt_off:", on_click=filters.write, args=(everything,))


@remembered
def count(board: Board, selection: Selection) -> int:
    """How many cases match."""
    return matching.count(board.query, selection)


def scatter(board: Board, selection: Selection) -> None:
    """Every case by a trait and its score; an outline drawn around some opens exactly those."""
    traits = [name for name in TRAITS if name not in ("r2", "superpixels") or "lime" in board.explainers]
    trait = st.columns([2, 3])[0].selectbox(
        "Against",
        traits,
        format_func=lambda name: TRAITS[name][0],
        **urls.bound("trait", traits, traits[0]),
    )
    figure = boards.shared(scatter_figures.scatter, board, selection, trait)
    event = st.plotly_chart(
        figure,
        key=f"scatter-{trait}",
        on_select="rerun",
        selection_mode="lasso",
        config=CONFIG,
        alt=clicks.about(scatter_figures.scatter),
    )
    st.caption(
        "Draw around cases with the mouse to see exactly those, or click one to open it; a double click resets. "
        f"{figure.layout.meta} Minus, above, takes a baseline's or a rival's score away. At most "
        f"{scatter_figures.DOTS:,} dots are drawn, evenly over the order; the line and outlines are of all."
    )
    shown = {name: getattr(selection, name) for name in ("explainer", "measure", "n", "minus")}
    limits = "; ".join(filters.group_words(board, selection, group) for group in selection.active())
    clicks.take(figure, scatter_figures.scatter, board, {**shown, "trait": trait}, limits)
    if lasso := event.selection.lasso:
        corners = list(zip(lasso[0]["x"], lasso[0]["y"], strict=True))
        few = corners[:: math.ceil(len(corners) / CORNERS)]
        params = urls.with_store(**selection.outlined(trait, few).to_params())
        st.switch_page("views/cases.py", query_params=params)
    if case_id := clicks.dot(f"scatter-{trait}"):
        urls.go("case", case=case_id, **selection.to_params())


def table(board: Board, selection: Selection, total: int) -> None:
    """The first rows as a table; the button in a row's first cell opens its case."""
    shown = gallery.rows(board, selection, TABLE)
    more = f" The first {TABLE:,} in this order; the downloads hold all {total:,}." if total > TABLE else ""
    st.caption(f"A click on a case's name opens it.{more}")
    measure = theme.MEASURES[selection.measure]
    size = filters.size_words(selection)
    score = signed_score if selection.minus else score_bar
    columns: dict[str, Any] = {
        "case_id": st.column_config.ButtonColumn(
            "Case", key="cases_open", type="tertiary", alignment="left", help="Opens the case"
        ),
        "region_rank": st.column_config.NumberColumn("Region", help="1 is the photo's largest region."),
        "score": score(visible(theme.explainer_name(selection.explainer)), f"{measure.name} at {size}. {measure.help}"),
        "best": st.column_config.TextColumn("Best method", help=f"By {measure.name} at {size}."),
        "worst": st.column_config.TextColumn("Worst method", help=f"By {measure.name} at {size}, of those ranked."),
        "gap": score_bar("Gap", "Between the best and the worst method."),
        "region_share": percentage("Region size, %", filters.HELP["region_share"]),
        "clean_class": st.column_config.TextColumn("Original class"),
        "target_confidence": percentage("Confidence in target, %", filters.HELP["target_confidence"]),
        "linf": st.column_config.NumberColumn("L∞, 1/255", help=filters.HELP["linf"]),
        "visibility": st.column_config.NumberColumn("Visibility", help=filters.HELP["visibility"], format="%.2f"),
        "r2": st.column_config.NumberColumn("LIME's R²", help=filters.HELP["r2"], format="%.2f"),
        "spread": st.column_config.NumberColumn("Spread over seeds", help=filters.HELP["spread"], format="%.3f"),
        "clean_confidence": percentage("Confidence before, %", "In the original class, before the attack."),
        "iterations": st.column_config.NumberColumn("Iterations", help="Steps of the attack."),
        "entropy": st.column_config.NumberColumn("Entropy", help="Of the photo's grey values, bits.", format="%.2f"),
        "target_class": st.column_config.TextColumn("Target"),
    }
    shares = ["region_share", "clean_confidence", "target_confidence"]
    shown[shares] *= filters.PERCENT
    for name in ("clean_class", "target_class"):
        shown[name] = shown[name].map(visible)
    for end in ("best", "worst"):
        shown[end] = shown[f"{end}_method"].map(lambda name: visible(theme.explainer_name(name)), na_action="ignore")
    scores = matching.by_method(board.query, selection, shown["case_id"].tolist())
    for name in (name for name in board.explainers if name in scores and name != selection.explainer):
        shown[f"score {name}"] = shown["case_id"].map(scores[name])
        columns[f"score {name}"] = score_bar(visible(theme.explainer_name(name)), f"{measure.name} at {size}.")
    shown = shown[[name for name in columns if not shown[name].isna().all()]]
    st.dataframe(shown, hide_index=True, column_config=columns, height=640)
    named = shown.rename(columns={n: "Case" if n == "case_id" else column["label"] for n, column in columns.items()})
    words = f"Cases of {board.name}: {measure.name} at {size}."
    csv = partial(frame_as_csv, named)
    tables.take("These rows", f"{board.name}-rows", csv, partial(frame_as_latex, named.iloc[:, :OF_A_PAPER], words))
    if click := st.session_state.get("cases_open"):
        urls.go("case", case=click["label"], **selection.to_params())


main()
