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


@dataclass(frozen=True)
class Segmentation:
    """Graph-based segmentation (Felzenszwalb and Huttenlocher 2004, scikit-image).

    Attributes:
        scale: larger gives larger segments.
        sigma: width of the Gaussian that smooths first, pixels.
        min_size: smallest segment, pixels.
    """

    scale: float = 100.0
    sigma: float = 0.8
    min_size: int = 100

    def of(self, rgb: npt.NDArray[np.uint8]) -> Labels:
        """(H, W) int32 labels of an (H, W, 3) image."""
        found = felzenszwalb(rgb, scale=self.scale, sigma=self.sigma, min_size=self.min_size)
        return np.asarray(found, dtype=np.int32)


def largest(labels: Labels, count: int) -> list[Region]:
    """The `count` largest segments, largest first, ties by label; fewer where there are fewer."""
    values, pixels = np.unique(labels, return_counts=True)
    order = np.lexsort((values, -pixels))[:count]
    return [Region(rank, int(values[i]), labels == values[i]) for rank, i in enumerate(order, start=1)]
