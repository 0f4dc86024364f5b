"""Hide one part after another, and see what the target's probability loses."""

import numpy as np
from torch import Tensor

from compute.explainers.base import Priorities, Superpixels, Task, register
from compute.explainers.perturbation.samples import answers, drawn, segments_of, superpixels

WINDOW, STRIDE = 8, 16
"""Occlusion: the window's side is an eighth of the image's, the stride half of that."""


@register("feature_ablation", prepare=superpixels)
def feature_ablation(task: Task) -> Superpixels:
    """Feature ablation (as in Captum): the loss of the target's probability with a superpixel in its mean colour."""
    segments = segments_of(task)
    features = int(segments.max()) + 1
    draws = np.concatenate([np.ones((1, features), np.int64), 1 - np.eye(features, dtype=np.int64)])
    probabilities = drawn(task, draws, segments)
    return Superpixels.weighted(segments, probabilities[0] - probabilities[1:])


@register("occlusion")
def occlusion(task: Task) -> Priorities:
    """Occlusion (Zeiler and Fergus 2014): the mean loss behind windows that cover a pixel, in the mean colour."""
    height, width = task.rgb.shape[:2]
    windows = [
        (top, left) for top in _starts(height) for left in _starts(width)
    ]  # rows, then columns; the last window of each ends at the border
    sides = height // WINDOW, width // WINDOW
    image, colour = task.image, task.image.mean(dim=(2, 3), keepdim=True)

    def behind(start: int, stop: int) -> Tensor:
        images = image.repeat(stop - start, 1, 1, 1)
        for one, (top, left) in zip(images, ([(-1, -1), *windows])[start:stop], strict=True):
            if top >= 0:
                one[:, top : top + sides[0], left : left + sides[1]] = colour[0]
        return images

    probabilities = answers(task, behind, len(windows) + 1)
    loss, covers = np.zeros((height, width)), np.zeros((height, width))
    for (top, left), p in zip(windows, probabilities[1:], strict=True):
        inside = np.s_[top : top + sides[0], left : left + sides[1]]
        loss[inside] += probabilities[0] - p
        covers[inside] += 1
    return loss / covers


def _starts(side: int) -> list[int]:
    last = side - side // WINDOW
    return sorted({*range(0, last, side // STRIDE), last})
