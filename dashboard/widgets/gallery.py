"""The selected cases as thumbnails, a page of them at a time: each links to its case, and can be pinned."""

import math
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.text import markdown, visible
from dashboard.viewer.thumbnails import thumbnail
from dashboard.widgets import pins, trouble

PAGE = 24
CARD = 198  # pixels: four in a row beside the sidebar on a laptop
STYLE = """<style>
[class*="st-key-card_"] {position: relative}
[class*="st-key-card_"]:hover {border-color: var(--st-primary-color, #6A5ACD)}
[class*="st-key-card_"] :has(a) {position: static}
[class*="st-key-card_"] a {padding: 0; background: none; font-weight: 600}
[class*="st-key-card_"] a::after {content: ""; position: absolute; inset: 0}
[class*="st-key-card_"] [data-testid="stHorizontalBlock"] {flex-wrap: nowrap}
[class*="st-key-card_"] [data-testid="stColumn"] {min-width: 0; flex: 1 1 0}
[class*="st-key-pin_"] {position: absolute !important; top: .4rem; right: .4rem; z-index: 1; width: auto !important}
@media (max-width: 640px) {
    [data-testid="stLayoutWrapper"]:has(> [class*="st-key-card_"]) {flex: 1 1 40%; min-width: 0}
    [data-testid="stLayoutWrapper"]:has(> [class*="st-key-card_pair_"]) {flex-basis: 100%}
}
[class*="st-key-pin_"] button {min-height: 0; padding: .1rem .3rem}
</style>"""  # the whole card is its link, but for the pin
remembered = st.cache_data(show_spinner=False, max_entries=200, hash_funcs=boards.KEYS)


@remembered
def rows(board: Board, selection: Selection, size: int, first: int = 0) -> pd.DataFrame:
    """At most `size` matching cases after the first `first`."""
    return matching.page(board.query, selection, size=size, first=first)


def show(board: Board, selection: Selection, total: int) -> None:
    """One page, with the way to the others above and below."""
    pages = math.ceil(total / PAGE)
    number = urls.integer("page", 1, pages) or 1
    shown = rows(board, selection, PAGE, (number - 1) * PAGE)
    methods = ["best_method", "worst_method"] if selection.by_gap else ["explainer"]
    shown["explainer"] = selection.explainer
    drawn = [pictures(board, selection, shown, method) for method in methods]
    lost = sum(picture is None for pictures_ in drawn for picture, _ in pictures_)
    if lost and board.pictured:
        trouble.unreadable(f"{lost} of the pictures on this page")
    whose = "the best and the worst method" if selection.by_gap else theme.explainer_name(selection.explainer)
    st.caption(
        f"White outline: the attacked region. Over it {markdown(whose)}: hits in yellow, false alarms in pink. "
        "The pin puts a case on the Plate."
    )
    st.html(STYLE)
    _paging("above", number, pages)
    held = pins.pinned(board.name)
    with st.container(horizontal=True, gap="small"):
        for row, *thumbs in zip(shown.to_dict("records"), *drawn, strict=True):
            _card(board, selection, row, thumbs, pinned=row["case_id"] in held)
    _paging("below", number, pages)


def _card(
    board: Board, selection: Selection, row: dict[str, Any], thumbs: list[tuple[bytes | None, int]], *, pinned: bool
) -> None:
    name, key = f"{row['photo_name']}, region {row['region_rank']}", row["position"]
    kind = "card_pair" if len(thumbs) > 1 else "card"
    with st.container(border=True, width=CARD * len(thumbs), gap="xsmall", key=f"{kind}_{key}"):
        for column, (picture, _) in zip(st.columns(len(thumbs), gap="xsmall"), thumbs, strict=True):
            if picture is not None:
                column.image(picture, width="stretch", alt=visible(name))
            elif board.pictured:
                column.caption("Picture unreadable")
        st.button(
            "",
            icon=":material/keep_off:" if pinned else ":material/keep:",
            key=f"pin_{key}",
            type="primary" if pinned else "secondary",
            help="Unpin" if pinned else f"Pin to the failure plate (at most {pins.MOST})",
            on_click=partial(pins.toggle, board.name, row["case_id"]),
        )
        st.page_link(
            "views/case.py",
            label=markdown(name),
            query_params=urls.with_store(case=row["case_id"], **selection.to_params()),
        )
        st.caption(
            f"{_scored(selection, row, thumbs[0][1])}  \n"
            f"region {100 * row['region_share']:.1f} % · {markdown(row['clean_class'])}"
        )


def _scored(selection: Selection, row: dict[str, Any], n: int) -> str:
    if selection.by_gap and not pd.isna(row["gap"]):
        best, worst = (markdown(theme.explainer_name(row[f"{end}_method"])) for end in ("best", "worst"))
        return f"{best} **{row['top']:.2f}**, {worst} **{row['bottom']:.2f}**: gap **{row['gap']:.2f}**"
    if pd.isna(row["score"]):
        return "not explained"
    at = "on average" if selection.n == "mean" else f"at n = {n}"
    less = f" above {markdown(theme.explainer_name(selection.minus))}" if selection.minus else ""
    return f"{theme.MEASURES[selection.measure].short} **{row['score']:.2f}**{less} {at}"


@remembered
def pictures(board: Board, selection: Selection, shown: pd.DataFrame, method: str) -> list[tuple[bytes | None, int]]:
    """Thumbnails with their n, one a row, of the explanation by the method that the column `method` names."""
    names = shown[method].fillna("").tolist()
    sizes = matching.sizes(board.query, selection, shown["case_id"].tolist(), names)
    stored = board.images(*shown["case_id"], *shown["photo_id"].unique())
    columns = (shown[name].tolist() for name in ("case_id", "photo_id", "segment", "score"))
    return [
        (
            thumbnail(
                stored.get((photo_id, "photo")),
                stored.get((photo_id, "segments")),
                stored.get((case_id, f"entry:{name}"), b"" if name and not pd.isna(score) else None),
                size=board.size,
                segment=segment,
                n=n,
            ),
            n,
        )
        for name, n, case_id, photo_id, segment, score in zip(names, sizes, *columns, strict=True)
    ]


def _paging(where: str, number: int, pages: int) -> None:
    if pages == 1:
        return
    page, jump = f"page_{where}", f"jump_{where}"
    st.session_state[page] = st.session_state[jump] = number

    def turn(key: str) -> None:
        st.query_params["page"] = str(st.session_state[key])

    with st.container(horizontal=True, vertical_alignment="center", key=f"paging_{where}"):
        st.pagination(pages, key=page, on_change=turn, args=(page,))
        st.number_input(
            f"Page, of {pages:,}", 1, pages, key=jump, on_change=turn, args=(jump,), width=130,
            label_visibility="collapsed", help=f"Go to a page, 1 to {pages:,}",
        )  # fmt: skip
