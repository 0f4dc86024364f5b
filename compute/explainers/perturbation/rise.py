"""RISE (Petsiuk et al. 2018): the target's probability behind random masks, averaged over those that show a pixel."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from compute.explainers.base import Priorities, Task, register
from compute.explainers.perturbation.samples import answers

CELLS, SHOWN = 7, 0.5
"""Cells a side of the random grids, and the probability that one is shown: the paper's."""
GREY = 0.5
"""What hides: RISE multiplies images normalised by the mean, so that its zero is a grey."""


@register("rise", samples=True)
def rise(task: Task) -> Priorities:
    """RISE (Petsiuk et al. 2018): the target's probability behind random masks, averaged over those that show a pixel.

    As many masks as LIME has samples: grids drawn at random, enlarged bilinearly and shifted by a part of a cell.
    """
    size = task.rgb.shape[0]
    cell = -(-size // CELLS)
    grids = torch.from_numpy((task.rng.random((task.lime_samples, CELLS + 1, CELLS + 1)) < SHOWN).astype(np.float32))
    shifts = task.rng.integers(0, cell, (task.lime_samples, 2))
    large = (CELLS + 1) * cell

    def masks(start: int, stop: int) -> Tensor:
        enlarged = F.interpolate(grids[start:stop, None], size=(large, large), mode="bilinear", align_corners=False)
        cropped = [m[:, y : y + size, x : x + size] for m, (y, x) in zip(enlarged, shifts[start:stop], strict=True)]
        return torch.stack(cropped).to(task.device)

    image = task.image
    probabilities = answers(task, lambda start, stop: GREY + (image - GREY) * masks(start, stop), len(grids))
    total = np.zeros((size, size))
    for start in range(0, len(grids), task.batch):
        some = masks(start, start + task.batch)[:, 0].cpu().numpy()
        total += np.tensordot(probabilities[start : start + task.batch], some, axes=1)
    return total / (SHOWN * len(grids))
