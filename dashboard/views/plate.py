"""Plate: pinned cases as one contact sheet, a row a case, a column a method, and as one figure to take away."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.selection import Selection, join_names, split_names
from dashboard.text import markdown, visible
from dashboard.viewer.sheet import Panel, as_svg, panel
from dashboard.widgets import filters, pins

REGION = "region"
SIZES = (REGION, *(str(n) for n in range(1, 21)))
MOST = 12
"""Methods on a plate."""
STARTING = 4


def methods(board: Board) -> list[str]:
    """The methods that the address names, the best ranked ones where it names none."""
    known = list(filters.choices(board)["explainer"])
    asked = [name for name in split_names(urls.text("methods"), MOST) if name in known]
    return asked or known[:STARTING]


@st.cache_data(show_spinner="Drawing the plate …", max_entries=32, hash_funcs=boards.KEYS)
def drawn(board: Board, case_ids: tuple[str, ...], names: tuple[str, ...], size: str) -> str:
    """The figure as SVG."""
    ids = {"ids": list(case_ids)}
    facts = {
        row["case_id"]: row
        for row in board.query("from cases where case_id in (select unnest($ids))", ids).to_dict("records")
    }
    scores = board.query(
        """select case_id, explainer, n, pixels, jaccard, hamming from measures
        where case_id in (select unnest($ids)) and explainer in (select unnest($names))""",
        {**ids, "names": list(names)},
    )
    stored = board.images(*case_ids, *(str(fact["photo_id"]) for fact in facts.values()))
    rows = []
    for case_id in case_ids:
        own = scores[scores["case_id"] == case_id]
        n = matched(own, names, facts[case_id]["region_pixels"]) if size == REGION else int(size)
        entries = {name: stored.get((case_id, f"entry:{name}")) for name in names}
        photo = {kind: stored.get((facts[case_id]["photo_id"], kind)) for kind in ("photo", "segments")}
        at_n = {row["explainer"]: row for row in own[own["n"] == n].to_dict("records")}
        rows.append(cells(facts[case_id], photo, entries, at_n, board.size))
    heads = ["Photo", "Attacked region", *(theme.explainer_name(name) for name in names)]
    sized = "each case at the n whose pixels come closest to the region's" if size == REGION else f"all at n = {size}"
    title = f"{board.name}: {sized}. White outline: attacked region; yellow: hit; pink: false alarm."
    return as_svg(title, heads, rows)


def cells(
    fact: Mapping[Any, Any],
    photo: dict[str, bytes | None],
    entries: dict[str, bytes | None],
    at_n: Mapping[Any, Mapping[Any, Any]],
    size: int,
) -> list[Panel]:
    """One case's row: the photo, the region, and every method's set with its scores at n, by method."""
    segment = fact["segment"]
    named = [f"{fact['photo_name']}, region {fact['region_rank']}", f"{fact['clean_class']} → {fact['target_class']}"]
    share = [f"{100 * fact['region_share']:.1f} % of the image", f"target at {100 * fact['target_confidence']:.0f} %"]
    row = [
        panel({"photo": photo["photo"]}, size, segment, None, named),
        panel(photo, size, segment, None, share),
    ]
    for name, entry in entries.items():
        if score := at_n.get(name):
            lines = [
                f"J {score['jaccard']:.2f}   H {score['hamming']:.2f}",
                f"n = {score['n']}, {score['pixels']:,} pixels",
            ]
            row.append(panel({**photo, "entry": entry}, size, segment, score["n"], lines))
        else:
            row.append(panel(photo, size, segment, None, ["not explained"]))
    return row


def matched(scores: pd.DataFrame, names: tuple[str, ...], region_pixels: int) -> int:
    """The n at which the first of the methods that have explained the case is nearest to the region in size."""
    for name in names:
        own = scores[scores["explainer"] == name].sort_values("n")
        if len(own):
            return int(own["n"].to_numpy()[(own["pixels"] - region_pixels).abs().to_numpy().argmin()])
    return 1


def choose(board: Board) -> tuple[list[str], str]:
    """Methods and size, held by the address."""
    left, right = st.columns([3, 1])
    shown = st.session_state["plate_methods"] = methods(board)
    left.multiselect(
        "Methods",
        board.explainers,
        format_func=lambda name: visible(theme.explainer_name(name)),
        max_selections=MOST,
        key="plate_methods",
        on_change=lambda: st.query_params.update(methods=join_names(st.session_state["plate_methods"])),
    )
    size = right.selectbox(
        "Explanation size",
        SIZES,
        format_func=lambda name: "closest to the region" if name == REGION else f"n = {name}",
        help="All methods are shown with as many pixels each. " + theme.N_HELP,
        **urls.bound("size", SIZES, REGION),
    )
    return shown, size


def worst(board: Board) -> None:
    """Pin the cases that the best ranked method misses most."""
    names = filters.choices(board)["explainer"]
    found = matching.page(board.query, Selection(next(iter(names)), order="low"), size=6)
    for case_id in found["case_id"]:
        pins.toggle(board.name, case_id)


def main() -> None:
    """One run of the page."""
    board = boards.current()
    filters.read(board)  # a page in words where the store has no case
    st.title("Failure plate", anchor=False)
    held = pins.pinned(board.name)
    known = board.query("select case_id from cases where case_id in (select unnest($ids))", {"ids": held})["case_id"]
    here = [case_id for case_id in held if case_id in set(known)]
    if len(here) < len(held):
        st.warning(f"{len(held) - len(here)} of the pinned cases are not in this store; they are left out.")
    if not here:
        st.info(
            "No case is pinned yet. Pin 3 to 12 by the pin on their cards on Cases, or by the key P on Case.",
            icon=":material/keep:",
        )
        st.button("Pin the six worst cases of the best method", icon=":material/keep:", on_click=worst, args=(board,))
        return
    names, size = choose(board)
    figure = drawn(board, tuple(here), tuple(names), size)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(here)}** of at most {pins.MOST} cases", width="content")
        st.download_button(
            "SVG",
            figure,
            file_name=f"{board.name}-plate.svg",
            mime="image/svg+xml",
            icon=":material/download:",
            on_click="ignore",
            help="This plate as one vector figure; its pictures are lossless.",
        )
        st.button("Unpin all", icon=":material/keep_off:", on_click=pins.clear, args=(board.name,))
    st.image(figure, width="stretch" if len(names) > STARTING else "content")
    st.caption("The address of this page holds the plate. The cases:")
    for case_id in here:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.page_link(
                "views/case.py", label=markdown(case_id), query_params=urls.with_store(case=case_id), width="content"
            )
            st.button(
                "Unpin", key=f"unpin_{case_id}", type="tertiary", on_click=partial(pins.toggle, board.name, case_id)
            )


main()
