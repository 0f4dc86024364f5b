"""Cases: filter and rank them, as a gallery or a table, and take the selection away."""

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.questions import MISSED, QUESTIONS
from dashboard.data.selection import Selection
from dashboard.text import markdown, visible
from dashboard.viewer import export
from dashboard.viewer.thumbnails import thumbnail
from dashboard.widgets import filters
from dashboard.widgets.columns import percentage, score_bar

GALLERY = 24
CARD = 198  # pixels: four in a row beside the sidebar on a laptop
CARD_STYLE = """<style>
[class*="st-key-card_"] {position: relative}
[class*="st-key-card_"]:hover {border-color: var(--st-primary-color, #6A5ACD)}
[class*="st-key-card_"] :has(a) {position: static}
[class*="st-key-card_"] a {padding: 0; background: none; font-weight: 600}
[class*="st-key-card_"] a::after {content: ""; position: absolute; inset: 0}
</style>"""  # the whole card is its link
TABLE = 1000  # rows that the table shows at most; the downloads hold all
remembered = st.cache_data(show_spinner=False, max_entries=200, hash_funcs=boards.KEYS)


def main() -> None:
    """One run of the page."""
    board = boards.current()
    st.title("Cases", anchor=False)
    selection, ignored = filters.read(board)
    filters.note_ignored(ignored)
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
    else:
        gallery(board, selection, total)


def bar(board: Board, selection: Selection, total: int) -> str:
    """How many cases match, the downloads, the view (gallery or table), and the limits to lift."""
    view = urls.choice("view", ("gallery", "table"), "gallery")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"#### {total:,} {'case' if total == 1 else 'cases'}", width="content")
        st.space("stretch")
        for kind, make in (("csv", export.table_csv), ("parquet", export.table_parquet)):
            st.download_button(
                {"csv": "CSV", "parquet": "Parquet"}[kind],
                partial(make, board, selection),
                file_name=f"{board.name}-cases.{kind}",
                icon=":material/download:",
                disabled=not total,
                on_click="ignore",
                help="All matching cases in this order, with their scores.",
            )
        st.session_state["cases_view"] = view
        st.segmented_control(
            "View",
            ("gallery", "table"),
            format_func={"gallery": ":material/grid_view:", "table": ":material/table_rows:"}.__getitem__,
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


@remembered
def rows(board: Board, selection: Selection, size: int, first: int = 0) -> pd.DataFrame:
    """At most `size` matching cases after the first `first`."""
    return matching.page(board.query, selection, size=size, first=first)


@remembered
def pictures(board: Board, shown: pd.DataFrame, explainer: str) -> dict[str, bytes | None]:
    """Thumbnails by case id, for cases with their `photo_id`, `segment` and `n`."""
    stored = board.images(*shown["case_id"], *shown["photo_id"].unique())
    return {
        case_id: thumbnail(
            stored.get((photo_id, "photo")),
            stored.get((photo_id, "segments")),
            stored.get((case_id, f"entry:{explainer}")),
            size=board.size,
            segment=segment,
            n=n,
        )
        for case_id, photo_id, segment, n in shown[["case_id", "photo_id", "segment", "n"]].itertuples(index=False)
    }


@remembered
def with_sizes(board: Board, selection: Selection, shown: pd.DataFrame) -> pd.DataFrame:
    """The cases with the region's label, `segment`, and the `n` that thumbnails show: the chosen one, or the best."""
    found = board.query(
        f"""select a.case_id, a.segment, coalesce(arg_max(m.n, row(m.{selection.measure}, -m.n::integer)), 1) as n
        from attempts a left join measures m on m.case_id = a.case_id and m.explainer = $explainer
        where a.case_id in (select unnest($ids)) group by all""",
        {"explainer": selection.explainer, "ids": shown["case_id"].tolist()},
    )
    if selection.n.isdigit():
        found["n"] = int(selection.n)
    return shown.merge(found, on="case_id")


def gallery(board: Board, selection: Selection, total: int) -> None:
    """Thumbnails, a page of them at a time."""
    pages = math.ceil(total / GALLERY)
    number = urls.integer("page", 1, pages) or 1
    shown = with_sizes(board, selection, rows(board, selection, GALLERY, (number - 1) * GALLERY))
    made = pictures(board, shown[["case_id", "photo_id", "segment", "n"]], selection.explainer)
    measure = theme.MEASURES[selection.measure]
    st.caption(
        f"White outline: the attacked region. Over it {markdown(theme.explainer_name(selection.explainer))}: "
        "hits in yellow, false alarms in pink."
    )
    st.html(CARD_STYLE)
    with st.container(horizontal=True, gap="small"):
        for row in shown.to_dict("records"):
            with st.container(border=True, width=CARD, gap="xsmall", key=f"card_{row['position']}"):
                name = f"{row['photo_name']}, region {row['region_rank']}"
                if (picture := made[row["case_id"]]) is not None:
                    st.image(picture, width="stretch", alt=visible(name))
                else:
                    st.caption("Picture unreadable")
                st.page_link(
                    "views/case.py",
                    label=markdown(name),
                    query_params=urls.with_store(case=row["case_id"], **selection.to_params()),
                )
                score = f"{measure.short} **{row['score']:.2f}** {where(selection, row['n'])}"
                score = "not explained" if pd.isna(row["score"]) else score
                st.caption(f"{score}  \nregion {100 * row['region_share']:.1f} % · {markdown(row['clean_class'])}")
    if pages > 1:
        st.session_state["cases_page"] = number
        st.pagination(
            pages, key="cases_page", on_change=lambda: st.query_params.update(page=str(st.session_state["cases_page"]))
        )


def where(selection: Selection, n: int) -> str:
    """The size at which a score was taken, in few words."""
    return "on average" if selection.n == "mean" else f"at n = {n}"


def table(board: Board, selection: Selection, total: int) -> None:
    """The first rows as a table; the button in a row's first cell opens its case."""
    shown = rows(board, selection, TABLE)
    more = f" The first {TABLE:,} in this order; the downloads hold all {total:,}." if total > TABLE else ""
    st.caption(f"A click on a case's name opens it.{more}")
    measure = theme.MEASURES[selection.measure]
    size = filters.size_words(selection)
    columns: dict[str, Any] = {
        "case_id": st.column_config.ButtonColumn(
            "Case", key="cases_open", type="tertiary", alignment="left", help="Opens the case"
        ),
        "region_rank": st.column_config.NumberColumn("Region", help="1 is the photo's largest region."),
        "score": score_bar(
            visible(theme.explainer_name(selection.explainer)), f"{measure.name} at {size}. {measure.help}"
        ),
        "top": score_bar("Best explainer", f"The highest {measure.name} of any, at {size}."),
        "chance": score_bar("Random", f"{measure.name} of the random baseline at {size}."),
        "region_share": percentage("Region size", filters.HELP["region_share"]),
        "clean_class": st.column_config.TextColumn("Original class"),
        "target_confidence": percentage("Confidence in target", filters.HELP["target_confidence"]),
        "linf": st.column_config.NumberColumn("L∞, 1/255", help=filters.HELP["linf"]),
        "clean_confidence": percentage("Confidence before", "In the original class, before the attack."),
        "iterations": st.column_config.NumberColumn("Iterations", help="Steps of the attack."),
    }
    shares = ["region_share", "clean_confidence", "target_confidence"]
    shown[shares] *= filters.PERCENT
    shown["clean_class"] = shown["clean_class"].map(visible)
    st.dataframe(shown[list(columns)], hide_index=True, column_config=columns, height=640)
    if click := st.session_state.get("cases_open"):
        urls.go("case", case=click["label"], **selection.to_params())


main()
