"""Where false alarms fall, against random pixels.

At the region's border, on edges of the photo, or elsewhere; and, of the same pixels, where the method points in the
photo before the attack, for its own class (the control `clean`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import binary_dilation, sobel

from dashboard.data import boards
from dashboard.data.boards import Board
from dashboard.data.images import decode
from dashboard.data.intervals import clustered_means

PLACES = ("border", "edges", "rest")
OWN = "own"
"""Where the method points in the unattacked photo; it shares its pixels with the others."""
SAMPLE = 120
"""Cases that are looked at, at most."""
BORDER = 1 / 32
"""Width of the band around the region, as a share of the image's side."""
EDGES = 0.8
"""Quantile of the photo's gradient from which on a pixel counts as an edge."""
TOGETHER = 16
"""Cases whose images are in memory at once."""

Mask = npt.NDArray[np.bool_]


def places(photo: npt.NDArray[np.uint8], region: Mask) -> npt.NDArray[np.intp]:
    """(H, W): the index into PLACES of every pixel outside the region; -1 within it."""
    grey = photo.mean(axis=2)
    steep = np.hypot(sobel(grey, 0), sobel(grey, 1))
    wide = max(1, round(BORDER * photo.shape[0]))
    found = np.where(steep >= np.quantile(steep, EDGES), 1, 2)
    found[binary_dilation(region, np.ones((3, 3)), iterations=wide)] = 0
    found[region] = -1
    return found


def at_region(entry: npt.NDArray[np.uint8], pixels: int) -> Mask:
    """(H, W): the explanation whose size comes closest to so many pixels; empty where there is none."""
    sizes = np.cumsum(np.bincount(entry.ravel(), minlength=21)[1:21])
    n = int(np.abs(sizes - pixels).argmin()) + 1
    return np.asarray((entry > 0) & (entry <= n))


def excess(where: npt.NDArray[np.intp], chosen: Mask) -> list[float] | None:
    """By place, the share of false alarms there, above its share of the pixels outside the region; None without any."""
    outside = where >= 0
    alarms = np.bincount(where[chosen & outside], minlength=len(PLACES))
    if not alarms.sum() or not outside.any():
        return None
    return list(alarms / alarms.sum() - np.bincount(where[outside], minlength=len(PLACES)) / outside.sum())


def parts(board: Board) -> list[tuple[str, ...]]:
    """SAMPLE cases spread evenly over the store's, TOGETHER at a time; none in a store without pictures."""
    if not board.pictured:
        return []
    cases = board.query("select case_id from cases order by case_id")["case_id"]
    some = cases.iloc[np.unique(np.linspace(0, len(cases) - 1, min(SAMPLE, len(cases))).round().astype(int))].tolist()
    return [tuple(some[first : first + TOGETHER]) for first in range(0, len(some), TOGETHER)]


def by_case(board: Board) -> pd.DataFrame:
    """What `of_cases` finds in all parts, each computed once a store, and where stores tell it, OWN of all cases."""
    own = board.query(
        f"""select case_id, photo_id, explainer, '{OWN}' as place, alarms as excess
            from control_scores where control = 'clean' and alarms is not null order by all"""
    )
    found = [boards.cached(of_cases, board, part).found for part in parts(board)]
    return pd.concat([*found, own] if len(own) else found or [own], ignore_index=True)


class Part(NamedTuple):
    """What some cases tell.

    Attributes:
        found: case_id, photo_id, explainer, place and `excess`.
        unreadable: How many explanations were left out, since they or their photo cannot be read.
    """

    found: pd.DataFrame
    unreadable: int


def of_cases(board: Board, case_ids: tuple[str, ...]) -> Part:
    """Where the false alarms of all explanations of some cases fall."""
    cases = board.query(
        """select case_id, any_value(photo_id) as photo_id, any_value(segment), list(explainer)
           from cases join explanations using (case_id) where case_id in (select unnest($ids)) group by case_id
           order by case_id""",
        {"ids": list(case_ids)},
    )
    stored = board.images(*cases["case_id"], *cases["photo_id"].unique())
    rows, unreadable = [], 0
    for case_id, photo_id, segment, explainers in cases.itertuples(index=False):
        photo = decode(stored.get((photo_id, "photo")), "photo", board.size)
        labels = decode(stored.get((photo_id, "segments")), "segments", board.size)
        if photo is None or labels is None:
            unreadable += len(explainers)
            continue
        region = labels == segment
        where = places(photo, region)
        for name in explainers:
            entry = decode(stored.get((case_id, f"entry:{name}")), "entry", board.size)
            unreadable += entry is None
            beyond = None if entry is None else excess(where, at_region(entry, int(region.sum())))
            rows += [(case_id, photo_id, name, *pair) for pair in zip(PLACES, beyond or (), strict=False)]
    found = pd.DataFrame(rows, columns=["case_id", "photo_id", "explainer", "place", "excess"])
    return Part(found.astype({"excess": float}), unreadable)  # floats also where there are none


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Means of `by_case`: explainer, place, cases, mean, low, high."""
    sums = found.groupby(["photo_id", "explainer", "place"], as_index=False).agg(
        total=("excess", "sum"), cases=("excess", "size")
    )
    return clustered_means(sums, ["explainer", "place"], (-1, 1))


def most(found: pd.DataFrame, explainer: str, place: str, *, cases: int) -> Sequence[str]:
    """The cases in which a method's false alarms fall there the most beyond chance."""
    own = found[(found["explainer"] == explainer) & (found["place"] == place)]
    return [str(case_id) for case_id in own.nlargest(cases, "excess")["case_id"]]
