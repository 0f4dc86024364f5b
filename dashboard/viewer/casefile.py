"""Everything the store knows of one case, as the viewer and the download need it."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from compute.store.schema import CHECKED
from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.data.images import decode
from dashboard.viewer.thumbnails import Bytes


@dataclass(frozen=True)
class CaseFile:
    """One case.

    Attributes:
        facts: columns of the view `cases` (compute/store/views.sql).
        pictures: PNG bytes of "photo" and "adversarial"; none in a store without pictures, or where one is unreadable.
        unreadable: kinds of pictures that the store has, and that cannot be read.
        region: (H, W) uint8, 1 inside the attacked region; (0, 0) where that is not known.
        gain: factor that makes the difference of the pictures visible: all but 1 % of the changed values stay in range.
        entries: by explainer, the entry map, (H, W) uint8; explainers without a readable one are left out.
        scores: explainer, n, pixels, hits, jaccard, hamming, rank_jaccard, rank_hamming (NaN where not ranked).
        explanations: by explainer, `seconds`, the explainer's own `diagnostics`, and what undoing P_n does: `restored`
            and `undone`, at each n of CHECKED, None where that was not checked.
        controls: by explainer and kind of control, the mean Jaccard index of that control.
    """

    facts: dict[str, Any]
    pictures: dict[str, bytes]
    unreadable: tuple[str, ...]
    region: Bytes
    gain: float
    entries: dict[str, Bytes]
    scores: pd.DataFrame
    explanations: dict[str, dict[str, Any]]
    controls: dict[str, dict[str, float]]

    def mean(self, explainer: str) -> float:
        """The explainer's mean Jaccard index over n."""
        return float(self.scores.loc[self.scores["explainer"] == explainer, "jaccard"].mean())

    @property
    def name(self) -> str:
        """How the case is called on a page."""
        return f"{self.facts['photo_name']}, region {self.facts['region_rank']}"


@st.cache_resource(show_spinner=False, max_entries=64, hash_funcs=boards.KEYS)
def load(board: Board, case_id: str) -> CaseFile | None:
    """A case by id, shared by all visitors: not to be changed; None where the store has no such case."""
    found = board.query("select * from cases where case_id = ?", [case_id])
    if found.empty:
        return None
    facts = {str(name): column.tolist()[0] for name, column in found.items()}
    stored = board.images(facts["photo_id"], case_id)
    owners = {"photo": facts["photo_id"], "segments": facts["photo_id"], "adversarial": case_id}
    images = {kind: stored.get((owner, kind)) for kind, owner in owners.items()}
    arrays = {kind: decode(png, kind, board.size) for kind, png in images.items()}
    labels = arrays["segments"]
    lacking = tuple(kind for kind, array in arrays.items() if array is None)
    entries = {e: decode(stored.get((case_id, f"entry:{e}")), "entry", board.size) for e in board.explainers}
    return CaseFile(
        facts,
        {} if lacking else {kind: images[kind] or b"" for kind in ("photo", "adversarial")},
        lacking if board.pictured else (),
        np.zeros((0, 0), np.uint8) if labels is None else (labels == facts["segment"]).astype(np.uint8),
        1.0 if lacking else _gain(arrays["photo"], arrays["adversarial"]),
        {e: m for e, m in entries.items() if m is not None},
        board.query(
            """select m.explainer, m.n, m.pixels, m.hits, m.jaccard, m.hamming, r.rank_jaccard, r.rank_hamming
            from measures m left join ranks r using (case_id, explainer, n)
            where m.case_id = ? order by m.explainer, m.n""",
            [case_id],
        ),
        _explanations(board, case_id),
        _controls(board, case_id),
    )


def _gain(photo: Any, adversarial: Any) -> float:
    change = np.abs(adversarial.astype(np.int16) - photo)
    changed = change[change > 0]
    return 127.0 / float(np.percentile(changed, 99)) if changed.size else 1.0


def _explanations(board: Board, case_id: str) -> dict[str, dict[str, Any]]:
    rows = board.query(
        "select explainer, seconds, restored, undone, diagnostics from explanations where case_id = ?", [case_id]
    )
    return {
        str(row["explainer"]): {
            "seconds": row["seconds"],
            "restored": _listed(row["restored"]),
            "undone": _listed(row["undone"]),
            "diagnostics": _read(row["diagnostics"]),
        }
        for row in rows.to_dict("records")
    }


def _listed(values: Any) -> list[Any] | None:
    """A list column's value; None where it is not a list of one value for each checked n."""
    return values.tolist() if isinstance(values, np.ndarray) and len(values) == len(CHECKED) else None


def _controls(board: Board, case_id: str) -> dict[str, dict[str, float]]:
    rows = board.query("select explainer, control, jaccard from control_scores where case_id = ?", [case_id])
    return {
        str(name): dict(zip(some["control"], some["jaccard"], strict=True)) for name, some in rows.groupby("explainer")
    }


def _read(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
