"""A plain explanation as a ranking of the pixels, and how alike two of them are."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from compute.explainers import Explanation, Superpixels
from compute.scoring.entry import EntryMap, Sizes, entry_of_priorities, entry_of_superpixels

Reals = npt.NDArray[np.float64]


def entry_map(found: Explanation, sizes: Sizes, ties: np.random.Generator) -> EntryMap:
    """The entry map of a plain explanation; equal priorities are ordered by `ties`."""
    if isinstance(found, Superpixels):
        return entry_of_superpixels(found.segments, found.ranked)
    return entry_of_priorities(found, sizes, ties)


def ranking(found: Explanation) -> Reals:
    """(H, W): the higher, the earlier; superpixels that are not ranked tie at the end, with 0."""
    if not isinstance(found, Superpixels):
        return np.asarray(found, dtype=np.float64)
    labels, place = np.unique(found.segments, return_inverse=True)
    behind = dict(zip(reversed(found.ranked), range(1, len(found.ranked) + 1), strict=True))
    values = np.array([behind.get(int(label), 0) for label in labels], dtype=np.float64)
    return np.asarray(values[place.reshape(found.segments.shape)])


def signed(found: Explanation) -> Reals | None:
    """(H, W) what each pixel was given, where that is more than an order."""
    return found.map if isinstance(found, Superpixels) else np.asarray(found, dtype=np.float64)


class Likeness(NamedTuple):
    """How alike two rankings are.

    Attributes:
        correlation: Spearman's; None where one has no order.
        overlap: Jaccard index of their first pixels; of equal values each is as likely among them.
        alarms: of the second's first pixels outside the region, the share that are among the first's too, minus what
            as many random pixels outside give; None where there are none.
    """

    correlation: float | None
    overlap: float
    alarms: float | None


def likeness(one: Reals, other: Reals, region: npt.NDArray[np.bool_]) -> Likeness:
    """Compare two rankings, (H, W), and as many of their first pixels as the region has, (H, W)."""
    ranks, pixels, outside = [rankdata(r.ravel()) for r in (one, other)], int(region.sum()), ~region.ravel()
    correlation = float(np.corrcoef(*ranks)[0, 1]) if all(np.ptp(r) for r in ranks) else None
    first, second = (_among_first(r, pixels) for r in ranks)
    shared, false = float(first @ second), second[outside]
    alarms = float(first[outside] @ false / false.sum() - first[outside].mean()) if false.sum() else None
    return Likeness(correlation, shared / (2 * pixels - shared), alarms)


def _among_first(ranks: Reals, pixels: int) -> Reals:
    """How likely each is to be among the first so many, where equal ones are ordered at random."""
    last = -np.partition(-ranks, pixels - 1)[pixels - 1]
    sure, ties = ranks > last, ranks == last
    return np.asarray(sure + ties * ((pixels - sure.sum()) / ties.sum()))
