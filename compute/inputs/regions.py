"""The regions to attack: Felzenszwalb's segments (paper, section 4), or a label image drawn by hand."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.segmentation import felzenszwalb

from compute.inputs.source import PhotoError

Labels = npt.NDArray[np.int32]
MOST_LABELS = 2**16
"""Regions of a photo: a store holds their labels in 16 bits."""


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
        """(H, W) int32 labels of an (H, W, 3) image.

        Raises:
            PhotoError: more segments than a store can tell apart.
        """
        return storable(felzenszwalb(rgb, scale=self.scale, sigma=self.sigma, min_size=self.min_size))


def storable(labels: npt.NDArray[Any]) -> Labels:
    """Labels of any type as a store can hold them, read-only (H, W) int32 in 0..65535; as they are where they fit.

    Others, be they large, negative or fractions, are numbered 0, 1, ... in their order.

    Raises:
        PhotoError: more regions than there are such numbers.
    """
    if labels.dtype.kind not in "bui" or labels.min() < 0 or labels.max() >= MOST_LABELS:
        values, numbers = np.unique(labels, return_inverse=True)
        if len(values) > MOST_LABELS:
            raise PhotoError(f"{len(values):,} regions, of which a store tells {MOST_LABELS:,} apart: make them larger")
        labels = numbers.reshape(labels.shape)
    fitting = labels.astype(np.int32)
    fitting.setflags(write=False)
    return fitting


def largest(labels: Labels, count: int) -> list[Region]:
    """The `count` largest segments, largest first, ties by label; fewer where there are fewer."""
    values, pixels = np.unique(labels, return_counts=True)
    order = np.lexsort((values, -pixels))[:count]
    return [Region(rank, int(values[i]), labels == values[i]) for rank, i in enumerate(order, start=1)]
