"""The failure plate of a store: which pictures and scores stand in its cells."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import theme
from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.viewer.sheet import Panel, panel, render

REGION = "region"
"""Instead of an n: each set at the n at which it is closest to the region in size."""


@st.cache_data(show_spinner="Drawing the plate …", max_entries=32, hash_funcs=boards.KEYS)
def drawn(
    board: Board, case_ids: tuple[str, ...], names: tuple[str, ...], size: str
) -> tuple[str, list[str], list[list[Panel]]]:
    """The plate: its title, the heads of its columns, and its rows; see `sheet.render`."""
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
        chosen = matched(own, facts[case_id]["region_pixels"]) if size == REGION else own[own["n"] == int(size)]
        entries = {name: stored.get((case_id, f"entry:{name}")) for name in names}
        photo = {kind: stored.get((facts[case_id]["photo_id"], kind)) for kind in ("photo", "segments")}
        at_n = {row["explainer"]: row for row in chosen.to_dict("records")}
        rows.append(cells(facts[case_id], photo, entries, at_n, board.size))
    heads = ["Photo", "Attacked region", *(theme.explainer_name(name) for name in names)]
    sized = "each set at the n whose pixels come closest to the region's" if size == REGION else f"all at n = {size}"
    title = f"{board.name}: {sized}. White outline: attacked region; yellow: hit; pink: false alarm."
    return title, heads, rows


@st.cache_data(show_spinner="Drawing the plate …", max_entries=32, hash_funcs=boards.KEYS)
def as_svg(board: Board, case_ids: tuple[str, ...], names: tuple[str, ...], size: str) -> str:
    """The plate as a page shows it."""
    return render(*drawn(board, case_ids, names, size), "svg").decode()


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


def matched(scores: pd.DataFrame, region_pixels: int) -> pd.DataFrame:
    """Of the scores of one case, a row a method: that of the n at which its set is nearest to the region in size."""
    far = (scores["pixels"] - region_pixels).abs()
    return scores.assign(far=far).sort_values(["far", "n"]).groupby("explainer").head(1)
