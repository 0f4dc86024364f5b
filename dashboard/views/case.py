"""One case: what was attacked, where every explainer points, and whether that is right."""

import pandas as pd
import streamlit as st

from dashboard import theme, urls
from dashboard.data import boards, matching
from dashboard.data.boards import Board
from dashboard.data.selection import Selection
from dashboard.text import markdown, visible
from dashboard.viewer import casefile, export
from dashboard.viewer import component as viewer
from dashboard.viewer.casefile import CaseFile
from dashboard.widgets import filters, pins, tables, trouble
from dashboard.widgets.tables import score_bar


@st.cache_resource(show_spinner=False, max_entries=32, hash_funcs=boards.KEYS)
def case_ids(board: Board, selection: Selection) -> pd.Series:
    """The ids of the selected cases in order, computed once for all its cases; shared by all visitors."""
    return matching.case_ids(board.query, selection)


def step_to(case_id: str) -> None:
    """Go to another case of the selection."""
    st.query_params["case"] = case_id


def header(board: Board, selection: Selection, case_id: str, title: str) -> None:
    """The title, the place within the selection, and the way to its neighbours."""
    ids = case_ids(board, selection)
    place = matching.neighbours(ids, case_id)
    here, before, after = place or (0, None, None)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(markdown(title), width="stretch", anchor=False)
        for label, side, shortcut, target in (("Previous", "left", "K", before), ("Next", "right", "J", after)):
            st.button(
                label,
                key=label,
                icon=f":material/chevron_{side}:",
                icon_position="left" if side == "left" else "right",
                shortcut=shortcut,
                disabled=target is None,
                on_click=step_to,
                args=(target,),
            )
        pinned = case_id in pins.pinned(board.name)
        st.button(
            "Unpin" if pinned else "Pin",
            key="pin",
            icon=":material/keep_off:" if pinned else ":material/keep:",
            shortcut="P",
            help=f"Keeps this case on the failure plate, with at most {pins.MOST} others.",
            on_click=pins.toggle,
            args=(board.name, case_id),
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if place:
            st.markdown(f"**{here:,}** of **{len(ids):,}** cases · {filters.words(board, selection)}", width="content")
        else:
            st.markdown(f"Outside this selection: {filters.words(board, selection)}", width="content")
        st.page_link(
            "views/cases.py",
            label="All of them" if place else "To the selection",
            icon=":material/grid_view:",
            query_params=urls.with_store(**selection.to_params()),
        )
        if held := pins.pinned(board.name):
            label = f"Plate: {len(held)} pinned"
            st.page_link("views/plate.py", label=label, icon=":material/keep:", query_params=urls.with_store())


@st.fragment
def pictures(board: Board, case: CaseFile, n: int | None, best: int, panels: str) -> None:
    """The viewer; n and panels go to the URL without running the rest of the page again."""
    viewer.show(viewer.payload(board, case, n, best, panels), moved)


def moved(n: int | None, panels: str) -> None:
    """Put what the viewer shows into the URL, where the best n and the sets are left out."""
    for name, value, usual in (("at", n, None), ("panels", panels, viewer.PANELS[0])):
        if value != usual:
            st.query_params[name] = str(value)
        elif name in st.query_params:
            del st.query_params[name]


def figures(board: Board, case: CaseFile) -> None:
    """Best and mean scores in a table, and the download of the arrays."""
    best = (
        case.scores.sort_values(["jaccard", "n"], ascending=[False, True])
        .groupby("explainer")
        .head(1)
        .set_index("explainer")
    )
    mean = case.scores.groupby("explainer")[["jaccard", "hamming", "rank_jaccard"]].mean()
    rows = mean["jaccard"].sort_values(ascending=False, kind="stable").index.tolist()
    shown = pd.DataFrame(
        {
            "Explainer": [visible(theme.explainer_name(e)) for e in rows],
            "Best Jaccard": best.loc[rows, "jaccard"].to_numpy(),
            "at n": best.loc[rows, "n"].to_numpy(),
            "Mean Jaccard": mean.loc[rows, "jaccard"].to_numpy(),
            "Mean Hamming": mean.loc[rows, "hamming"].to_numpy(),
            "Mean rank": mean.loc[rows, "rank_jaccard"].to_numpy(),
            "Mean Jaccard, own class": [case.controls.get(e, {}).get("class") for e in rows],
            "Mean Jaccard, unattacked photo": [case.controls.get(e, {}).get("photo") for e in rows],
            "Seconds": [case.explanations.get(e, {}).get("seconds") for e in rows],
        }
    )
    st.subheader("Scores over all explanation sizes", anchor=False)
    st.dataframe(
        shown,
        hide_index=True,
        placeholder="",
        column_config={
            "Best Jaccard": score_bar("Best Jaccard", theme.MEASURES["jaccard"].help),
            "Mean Jaccard": score_bar("Mean Jaccard", theme.MEASURES["jaccard"].help),
            "Mean Hamming": score_bar("Mean Hamming", theme.MEASURES["hamming"].help),
            "Mean rank": st.column_config.NumberColumn(format="%.2f", help=theme.MEAN_RANK_HELP + " By Jaccard index."),
            "Mean Jaccard, own class": st.column_config.NumberColumn(
                "Control: own class",
                format="%.3f",
                help="Mean Jaccard index of the explanation of the photo's own class on the attacked image: "
                "a specific method scores lower here.",
            ),
            "Mean Jaccard, unattacked photo": st.column_config.NumberColumn(
                "Control: unattacked photo",
                format="%.3f",
                help="Mean Jaccard index of the explanation of the target on the unattacked photo, where there is "
                "nothing to find.",
            ),
            "Seconds": st.column_config.NumberColumn(format="%.2f", help="Wall time of the explanation."),
        },
    )
    case_id = case.facts["case_id"]
    tables.take_frame("Scores", f"{case_id}-scores", shown, f"Scores of {case_id} over all explanation sizes.")
    st.download_button(
        "Arrays (.npz)",
        lambda: export.case_npz(board, case),
        file_name=f"{case_id}.npz",
        mime="application/octet-stream",
        icon=":material/download:",
        on_click="ignore",
        help="Both images, the region, every entry map and all scores, with a README, for numpy.load."
        if case.pictures
        else "All scores, with a README, for numpy.load.",
    )


def main() -> None:
    """One run of the page."""
    board = boards.current()
    selection = filters.read(board)
    case_id = urls.text("case")
    if not case_id:
        case_id = next(iter(case_ids(board, selection)), "")
    case = casefile.load(board, case_id) if case_id else None
    if case is None:
        st.title("No such case" if case_id else "No case to show", anchor=False)
        why = "This store has no such case." if case_id else "No case matches this selection."
        st.info(why, icon=":material/image_not_supported:")
        st.page_link("views/cases.py", label="Choose one among all cases", query_params=urls.with_store())
        return
    header(board, selection, case_id, case.name)
    own = case.scores[case.scores["explainer"] == selection.explainer]
    best = 1 if own.empty else int(own["n"].to_numpy()[own["jaccard"].to_numpy().argmax()])
    if case.unreadable:
        trouble.unreadable(f"Of the pictures of this case, {', '.join(case.unreadable)}")
    if case.pictures:
        pictures(board, case, urls.integer("at", 1, 20), best, urls.choice("panels", viewer.PANELS, viewer.PANELS[0]))
    figures(board, case)


main()
