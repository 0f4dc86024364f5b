"""The random baseline (paper, section 4), by pixels and by superpixels."""

import numpy as np

from compute.explainers.base import Priorities, Superpixels, Task, register
from compute.explainers.perturbation.samples import segments_of, superpixels


@register("random", baseline=True, draws=True)
def random(task: Task) -> Priorities:
    """Pixels in random order.

    Expected: |P_n| * |C| / N hits.
    """
    return task.rng.random(task.rgb.shape[:2])


@register("random@superpixels", baseline=True, prepare=superpixels, draws=True)
def random_superpixels(task: Task) -> Superpixels:
    """Superpixels in random order."""
    segments = segments_of(task)
    return Superpixels.weighted(segments, task.rng.random(int(np.max(segments)) + 1))
