"""Entry maps and counts: everything that the twenty nested explanations of a case are scored by.

An entry map is (H, W) uint8: the smallest n in 1..20 for which the pixel is in P_n, 0 where it never is.
P_n = (0 < entry) & (entry <= n), so two cumulated histograms hold all counts of all n.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from compute.store.schema import N_SIZES

EntryMap = npt.NDArray[np.uint8]
Sizes = npt.NDArray[np.int64]


def entry_of_superpixels(segments: npt.NDArray[np.integer], ranked: Sequence[int]) -> EntryMap:
    """Superpixels enter whole, best first: the n-th of `ranked` at n; those beyond the 20th never do.

    Args:
        segments: (H, W) superpixel labels.
        ranked: labels that speak for the prediction, best first.

    Raises:
        ValueError: a label ranked twice, or one that is not in `segments`.
    """
    best = list(ranked)[:N_SIZES]
    if len(set(best)) < len(best):
        raise ValueError("a superpixel is ranked twice")
    entry = np.zeros(segments.shape, dtype=np.uint8)
    for n, label in enumerate(best, start=1):
        inside = segments == label
        if not inside.any():
            raise ValueError(f"ranked superpixel {label} is not in the segments")
        entry[inside] = n
    return entry


def entry_of_priorities(priorities: npt.NDArray[np.floating], sizes: Sizes, rng: np.random.Generator) -> EntryMap:
    """Pixels enter by priority, highest first, until P_n holds `sizes[n - 1]` of them (paper, section 4).

    Equal priorities are ordered at random by `rng`: in raster order the top of the image would win every tie.

    Args:
        priorities: (H, W), finite.
        sizes: (20,) pixels of P_1..P_20, not decreasing, at most H * W.
        rng: breaks ties.
    """
    flat = priorities.ravel()
    order = np.lexsort((rng.permutation(flat.size), -flat))
    entry = np.zeros(flat.size, dtype=np.uint8)
    place = np.searchsorted(sizes, np.arange(flat.size), side="right")
    entry[order] = np.where(place < N_SIZES, place + 1, 0)
    return entry.reshape(priorities.shape)


def sizes_of(entry: EntryMap) -> Sizes:
    """(20,) int64: |P_n| for n = 1..20."""
    return np.bincount(entry.ravel(), minlength=N_SIZES + 1)[1 : N_SIZES + 1].cumsum()


def scheduled_sizes(pixels: int) -> Sizes:
    """The sizes where no superpixel explainer gives them: n per cent of the image's pixels, rounded down."""
    return np.arange(1, N_SIZES + 1, dtype=np.int64) * pixels // 100


def count(entry: EntryMap, region: npt.NDArray[np.bool_]) -> tuple[Sizes, Sizes]:
    """|P_n| and |P_n and C| for n = 1..20, each (20,) int64.

    Args:
        entry: (H, W) uint8 entry map.
        region: (H, W) bool, the attacked region C.
    """
    return sizes_of(entry), sizes_of(entry[region])
