"""Baselines that look at the image alone."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, laplace
from skimage.color import rgb2ycbcr
from skimage.filters import sobel

from compute.explainers.base import Priorities, Task, register

TEXTURE_SIGMA = 4 / 224
"""Width of the texture detector's Gaussian, as a share of the image's side."""


@register("centre", baseline=True)
def centre(task: Task) -> Priorities:
    """Pixels by their nearness to the centre."""
    height, width = task.rgb.shape[:2]
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(height, width) / 2 - np.hypot(y - (height - 1) / 2, x - (width - 1) / 2))


@register("edges", baseline=True)
def edges(task: Task) -> Priorities:
    """Pixels by the magnitude of Sobel's gradient of the brightness."""
    return np.asarray(sobel(task.rgb.mean(axis=2)))


@register("texture", baseline=True)
def texture(task: Task) -> Priorities:
    """Pixels by the fine texture of their chroma, which photos hardly have and attacks do.

    The magnitude of the Laplacian of Cb and Cr, smoothed by a Gaussian.
    """
    return chroma_texture(task.rgb)


def chroma_texture(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(H, W): what `texture` sees of an (H, W, 3) image."""
    chroma = rgb2ycbcr(rgb)[..., 1:]
    fine = sum(np.abs(laplace(chroma[..., c])) for c in range(2))
    return np.asarray(gaussian_filter(fine, TEXTURE_SIGMA * rgb.shape[0]))
