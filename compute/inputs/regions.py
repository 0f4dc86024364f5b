"""The regions to attack: Felzenszwalb's segments (paper, section 4), or a label image drawn by hand."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.segmentation import felzenszwalb

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Region:
    """One segment: `rank` 1 is the photo's largest; `mask` is (H, W) bool."""

    rank: int
    segment: int
    mask: npt.NDArray[np.bool_]

    @property
    def pixels(self) -> int:
        """|C|, the number of pixels."""
        return int(self.mask.sum())


def segment(rgb: npt.NDArray[np.uint8], *, scale: float, sigma: float, min_size: int) -> Labels:
    """Graph-based segmentation of an (H, W, 3) image (Felzenszwalb and Huttenlocher 2004, scikit-image).

    Returns:
        (H, W) int32 labels. Larger `scale` gives larger segments; `sigma` smooths first; `min_size` is in pixels.
    """
    return np.asarray(felzenszwalb(rgb, scale=scale, sigma=sigma, min_size=min_size), dtype=np.int32)


def largest(labels: Labels, count: int) -> list[Region]:
    """The `count` largest segments, largest first, ties by label; fewer where there are fewer."""
    values, pixels = np.unique(labels, return_counts=True)
    order = np.lexsort((values, -pixels))[:count]
    return [Region(rank, int(values[i]), labels == values[i]) for rank, i in enumerate(order, start=1)]
