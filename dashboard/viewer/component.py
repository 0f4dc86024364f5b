"""The viewer of one case: a component whose pictures and curves follow n in the browser (viewer.js).

Its payload is one block of bytes: the header's length (4 bytes, little-endian), the header as JSON, then the blobs that
the header names: PNGs of the pictures, and region and entry maps as they are, a byte a pixel.
"""

import json
import sys
from collections.abc import Callable
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from compute.store.schema import CHECKED
from dashboard import theme
from dashboard.data.boards import Board
from dashboard.text import visible
from dashboard.viewer.casefile import CaseFile
from dashboard.viewer.thumbnails import ALARM, HIT, MISS


def _source(name: str) -> str:
    return resources.files("dashboard.viewer").joinpath(name).read_text(encoding="utf-8")


PANELS = ("sets", "restored")
"""What the methods' panels can show: the explanation's set, or the attacked image with it as in the photo."""
CONTROLS = {"class": "own class", "photo": "unattacked photo"}
_SCRIPT = "".join(map(_source, ("pixels.js", "figure.js", "viewer.js")))  # a component takes one script
_mount = st.components.v2.component("wolfspider.viewer", js=_SCRIPT, css=_source("viewer.css"))


def show(payload_: bytes, moved: Callable[[int | None, str], None], *, key: str = "viewer") -> None:
    """Mount the viewer.

    Args:
        payload_: What it draws (`payload`).
        moved: Told the n that its visitor moved to, None for the best one, and what the methods' panels show: one of
            PANELS. Both come from the browser, and are checked here.
        key: The component's.
    """

    def told() -> None:
        state = st.session_state[key]
        n, panels = state.get("n"), state.get("panels")
        moved(int(n) if isinstance(n, int | float) and 1 <= n <= 20 else None, panels if panels in PANELS else "sets")

    _mount(key=key, data=payload_, on_n_change=told, on_panels_change=told)


def payload(board: Board, case: CaseFile, n: int | None, best: int, panels: str = "sets") -> bytes:
    """What the viewer draws, first at n (1..20; None: at `best`, which it can return to) and with these PANELS."""
    blobs = {**case.pictures, "region": case.region.tobytes()}
    blobs |= {f"entry{i}": case.entries[e].tobytes() for i, e in enumerate(board.explainers) if e in case.entries}
    header = {
        "etag": f"{board.key}/{case.facts['case_id']}",
        "name": case.facts["case_id"],
        "title": visible(f"{case.name} ({board.name})"),
        "size": case.region.shape[0],
        "gain": case.gain,
        "n": n,
        "best": best,
        "panels": panels,
        "checked": list(CHECKED),
        "help": theme.N_HELP,
        "captions": captions(case),
        "colours": {"hit": HIT, "miss": MISS, "alarm": ALARM},
        "measures": {key: [measure.name, measure.help] for key, measure in theme.MEASURES.items()},
        "explainers": _explainers(board, case),
        "blobs": [[name, len(blob)] for name, blob in blobs.items()],
    }
    head = json.dumps(header, allow_nan=False).encode()
    return b"".join([len(head).to_bytes(4, "little"), head, *blobs.values()])


def captions(case: CaseFile) -> dict[str, list[str]]:
    """The lines under the four pictures."""
    facts = case.facts
    return {
        "photo": [
            f"Original: {visible(facts['clean_class'])}",
            f"{percent(facts['clean_confidence'])} confident",
            f"{visible(facts['target_class'])}: {percent(facts['clean_target_confidence'])}",
        ],
        "adversarial": [
            f"Adversarial: {visible(facts['final_class'])}",
            f"{percent(facts['final_confidence'])} confident",
            f"after {facts['iterations']} iterations",
        ],
        "difference": [
            f"Difference, amplified {case.gain:.2g} times",
            f"L∞ = {facts['linf']}/255, L2 = {facts['l2']:.2f}",
            "grey is no change",
        ],
        "region": [
            "Attacked region C",
            f"{facts['region_pixels']:,} of {facts['n_pixels']:,} pixels ({percent(facts['region_share'])})",
            f"number {facts['region_rank']} by size in this photo",
        ],
    }


def percent(share: float) -> str:
    """A share 0..1 as a percentage with two significant digits or one decimal."""
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2g} %"


def _explainers(board: Board, case: CaseFile) -> list[dict[str, Any]]:
    by_explainer = {str(name): rows for name, rows in case.scores.groupby("explainer") if len(rows) == 20}
    colours = theme.colours(board.explainers)
    return [
        {
            "label": visible(theme.explainer_name(name)),
            "colour": colours[name],
            "baseline": name not in board.ranked,
            "readable": name in case.entries,
            "controls": [visible(line) for line in _controls(case, name)],
            **(_series(by_explainer[name]) if name in by_explainer else {}),
            **_restored(case.explanations.get(name, {})),
            **_superpixels(case.explanations.get(name, {}).get("diagnostics", {})),
        }
        for name in board.explainers
    ]


def _series(rows: pd.DataFrame) -> dict[str, Any]:
    columns = ("pixels", "jaccard", "hamming", "rank_jaccard", "rank_hamming")
    lists = {c: [None if pd.isna(v) else round(float(v), 6) for v in rows[c]] for c in columns}
    return {**lists, "best_n": int(np.argmax(rows["jaccard"].to_numpy())) + 1}


def _controls(case: CaseFile, name: str) -> list[str]:
    """What the method scores where it should not find the region: asked for another class, or about another image."""
    found = case.controls.get(name, {})
    parts = [f"{words} {found[kind]:.3f}" for kind, words in CONTROLS.items() if found.get(kind) is not None]
    return [f"mean J {case.mean(name):.3f}; {', '.join(parts)}"] if parts else []


def _restored(explanation: dict[str, Any]) -> dict[str, Any]:
    """The target's probability once P_n is as in the photo, and whether that undoes the attack, at each checked n."""
    values, undone = (explanation.get(kind) for kind in ("restored", "undone"))
    if values is None or undone is None:
        return {}
    return {"restored": [float(value) for value in values], "undone": [bool(flag) for flag in undone]}


def _superpixels(diagnostics: dict[str, Any]) -> dict[str, Any]:
    """Weights of a superpixel explainer, and in words how well its surrogate fits; empty for any other."""
    weights = diagnostics.get("weights")
    if not isinstance(weights, list) or not weights or not all(map(_finite, weights)):
        return {}
    r2 = diagnostics.get("r2")
    words = [f"R² = {r2:.2f}"] if _finite(r2) else []
    words.append(visible(f"{diagnostics.get('superpixels', '?')} superpixels"))
    return {"weights": weights[:20], "note": ", ".join(words)}


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max
