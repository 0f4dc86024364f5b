"""Plate: pinned cases as one contact sheet, a row a case, a column a method, and as one figure to take away."""

from functools import partial

import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.selection import Selection, join_names, split_names
from dashboard.figures import clicks
from dashboard.text import markdown, visible
from dashboard.viewer.plate import REGION, as_svg, drawn
from dashboard.viewer.sheet import render
from dashboard.widgets import filters, pins, trouble

SIZES = (REGION, *(str(n) for n in range(1, 21)))
MOST = 12  # methods on a plate
STARTING = 4


def methods(board: Board) -> list[str]:
    """The methods that the address names, the best ranked ones where it names none."""
    known = list(filters.choices(board)["explainer"])
    asked = split_names(urls.text("methods"), MOST)
    if not set(asked) <= set(known):
        urls.refuse("methods")
    return [name for name in asked if name in known] or known[:STARTING]


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
        help="Closest to the region: every method with about as many pixels as were attacked. " + theme.N_HELP,
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
    asked = (board, tuple(here), tuple(names), size)
    plate = drawn(*asked)
    lost = sum(cell.picture is None for row in plate[2] for cell in row)
    if lost and board.pictured:
        trouble.unreadable(f"{lost} of the pictures of this plate")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{len(here)}** of at most {pins.MOST} cases", width="content")
        with st.popover("Take this plate", icon=":material/download:"):
            clicks.downloads(partial(render, *plate), f"{board.name}-plate", "plate")
            st.code(visible(plate[0]), language=None, wrap_lines=True)
        st.button("Unpin all", icon=":material/keep_off:", on_click=pins.clear, args=(board.name,))
    words = f"{len(here)} cases, each with the photo, the attacked region and {len(names)} explanations"
    st.image(as_svg(*asked), width="stretch" if len(names) > STARTING else "content", alt=words)
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
