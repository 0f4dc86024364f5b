"""How well a whole ranking of the pixels finds the region, in one number each.

A ranking is a map of values, (H, W): the higher, the earlier. Pixels of one value are taken in no particular order, so
every measure is its expectation over their orders; nothing depends on where in the image a tie lies.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom

Reals = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Measured(NamedTuple):
    """Measures of one ranking against one region; all but `chance_corrected` lie between 0 and 1, 1 is best.

    Attributes:
        jaccard_at_region: Jaccard index of the first |C| pixels.
        rank_accuracy: share of the first |C| pixels that lie in C: relevance rank accuracy (Arras et al. 2022).
        chance_corrected: (J - E[J]) / (1 - E[J]) of that Jaccard index, E[J] that of as many random pixels; 0 is
            chance, and it can lie below.
        auroc: area under the ROC curve: the chance that a pixel of C ranks above one outside.
        average_precision: mean precision over the pixels of C, as scikit-learn's.
        pointing: whether the first pixel lies in C: the pointing game (Zhang et al. 2016).
        mass: share of the positive values that lies in C: relevance mass accuracy (Arras et al. 2022), with negative
            values clipped; None where there is none.
        energy: the same of the values scaled to [0, 1]: the energy-based pointing game (Wang et al. 2020).
        gini: how concentrated the positive values are, wherever; 0 is evenly spread. Better is neither.
    """

    jaccard_at_region: float
    rank_accuracy: float
    chance_corrected: float
    auroc: float
    average_precision: float
    pointing: float
    mass: float | None
    energy: float | None
    gini: float | None


def measure(values: Reals, region: Mask, signed: Reals | None) -> Measured:
    """All measures of a ranking.

    Args:
        values: (H, W), finite: their order counts.
        region: (H, W) bool, the attacked region C, not empty.
        signed: (H, W) what the explainer gives each pixel, where it gives more than an order.
    """
    pixels, hits = steps(values, region)
    c, n = int(hits[-1]), int(pixels[-1])
    found = float(np.interp(c, pixels, hits))
    jaccard, chance = found / (2 * c - found), expected_jaccard(n, c)
    misses = pixels - hits
    auroc = float(np.trapezoid(hits, misses)) / (c * (n - c)) if c < n else 1.0  # nothing outside could rank above
    precision = hits[1:] / pixels[1:]
    return Measured(
        jaccard_at_region=jaccard,
        rank_accuracy=found / c,
        chance_corrected=(jaccard - chance) / (1 - chance) if chance < 1 else 1.0,
        auroc=auroc,
        average_precision=float((np.diff(hits) * precision).sum()) / c,
        pointing=float(hits[1] / pixels[1]),
        mass=None if signed is None else _share(np.maximum(signed, 0), region),
        energy=None if signed is None else _share(signed - signed.min(), region),
        gini=None if signed is None else gini(signed),
    )


def steps(values: Reals, region: Mask) -> tuple[Reals, Reals]:
    """Pixels, and those in the region, among the values from the highest down to each distinct one; both begin at 0."""
    distinct, place = np.unique(-values.ravel(), return_inverse=True)
    pixels = np.bincount(place, minlength=len(distinct))
    hits = np.bincount(place, weights=region.ravel(), minlength=len(distinct))
    return np.r_[0.0, pixels.cumsum()], np.r_[0.0, hits.cumsum()]


@lru_cache(maxsize=4096)
def expected_jaccard(n: int, c: int) -> float:
    """Mean Jaccard index of c random pixels with a region of c of n: over the hypergeometric distribution of hits."""
    hits = np.arange(c + 1)
    return float((hypergeom.pmf(hits, n, c, c) * hits / (2 * c - hits)).sum())


def gini(values: Reals) -> float:
    """Gini index of the positive values over pixels: 0 spread evenly, towards 1 all in one pixel; 0 where none is."""
    positive = np.sort(np.maximum(values.ravel(), 0))
    total = positive.sum()
    if total == 0:
        return 0.0
    n = len(positive)
    return float(((2 * np.arange(1, n + 1) - n - 1) * positive).sum() / (n * total))


def _share(weights: Reals, region: Mask) -> float | None:
    total = float(weights.sum())
    return float(weights[region].sum()) / total if total > 0 else None
