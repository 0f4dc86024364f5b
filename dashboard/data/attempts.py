"""Aggregates of the attacks, the discarded ones among them, as plain functions of a board."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.data.boards import Board
from dashboard.data.images import decode
from dashboard.data.queries import band_edges, place

_SPREADS = ("iterations", "linf", "l2")
_BINS = 24


def totals(board: Board) -> dict[str, int]:
    """Attempts, success, stalled, exhausted; unbroken: photos that were attacked and have no case."""
    found = board.query(
        """select count(*) as attempts, count(*) filter (where success) as success,
                  count(*) filter (where outcome = 'stalled') as stalled,
                  count(*) filter (where outcome = 'exhausted') as exhausted,
                  count(distinct photo_id) - count(distinct photo_id) filter (where success) as unbroken
           from attempts"""
    )
    return {name: int(found[name].iloc[0]) for name in found.columns}


def by_rank(board: Board) -> pd.DataFrame:
    """How attempts on the k-th largest region ended: region_rank, outcome, attempts."""
    return board.query(
        "select region_rank, outcome, count(*) as attempts from attempts group by all order by region_rank, outcome"
    )


def by_size(board: Board) -> pd.DataFrame:
    """How attempts ended by size of the region, in bands with about as many each.

    Returns:
        band, low, high (share of the image; NaN for the last), outcome, attempts.
    """
    found = board.query("select outcome, (region_pixels / n_pixels)::double as share from attempts")
    edges = band_edges(found["share"])
    found["band"] = place(found["share"], edges)
    rows = found.groupby(["band", "outcome"]).agg(attempts=("share", "size")).reset_index()
    rows["low"], rows["high"] = edges[rows["band"]], np.append(edges[1:], np.nan)[rows["band"]]
    return rows


def spread(board: Board, column: str) -> pd.DataFrame:
    """Histogram of iterations, linf (1/255) or l2 (channels in 0..1): success, middle, width, attempts."""
    if column not in _SPREADS:
        raise ValueError(column)
    found = board.query(f"select success, {column}::double as value from attempts")
    edges = np.histogram_bin_edges(found["value"], bins=_BINS)
    if column != "l2":
        step = max(1, int(np.ceil((found["value"].max() + 1) / _BINS)))
        edges = np.arange(-0.5, found["value"].max() + step + 0.5, step)
    parts = []
    for success, rows in found.groupby("success"):
        count, _ = np.histogram(rows["value"], bins=edges)
        middle = (edges[1:] + edges[:-1]) / 2
        parts.append(pd.DataFrame({"success": success, "middle": middle, "width": np.diff(edges), "attempts": count}))
    return pd.concat(parts)


def unbroken(board: Board) -> pd.DataFrame:
    """Photos that were attacked and have no case: photo_name, clean_class, clean_confidence, attempts, best."""
    return board.query(
        """select any_value(p.name) as photo_name, any_value(clean_class) as clean_class,
                  any_value(clean_confidence) as clean_confidence, count(*) as attempts, max(target_confidence) as best
           from attempts join photos p using (photo_id) group by photo_id having not bool_or(success) order by 1"""
    )


def photos_with_discarded(board: Board) -> pd.DataFrame:
    """Photos that have a discarded attempt: photo_id, photo_name."""
    return board.query(
        """select photo_id, name as photo_name from photos
           where photo_id in (select photo_id from attempts where not success) order by name, photo_id"""
    )


def discarded(board: Board, photo: str) -> pd.DataFrame:
    """The discarded attempts of a photo: the table `attempts`, and target_class."""
    return board.query(
        """select attempts.*, target_class from attempts join photos using (photo_id)
           where not success and photo_id = ? order by region_rank""",
        [photo],
    )


def pictures(board: Board, photo: str, attempt: str, segment: int) -> dict[str, npt.NDArray[np.uint8]]:
    """(H, W, 3) pictures by caption: before, at the end, the difference amplified, the region; empty if unreadable."""
    images = board.images(photo, attempt)
    owners = {"photo": photo, "adversarial": attempt, "segments": photo}
    before, after, labels = (decode(images.get((owner, kind)), kind, board.size) for kind, owner in owners.items())
    if before is None or after is None or labels is None:
        return {}
    change = np.clip(128 + 4.0 * (after.astype(float) - before), 0, 255).astype(np.uint8)
    attacked = np.where((labels == segment)[..., None], before, before // 4 + 20).astype(np.uint8)
    return {
        "Original": before,
        "When it was given up": after,
        "Difference, 4 times": change,
        "Attacked region": attacked,
    }
