"""GLIME (Tan et al. 2023): LIME's weights become the distribution of its draws, so that none is wasted."""

import numpy as np
from sklearn.linear_model import Ridge

from compute.explainers.base import Superpixels, Task, register
from compute.explainers.perturbation.samples import drawn, segments_of, superpixels

SHOWN = 1 / (1 + np.exp(-1))
"""Probability that a superpixel is shown: GLIME-Binomial at a kernel width of 1."""


@register("glime", prepare=superpixels, samples=True)
def glime(task: Task) -> Superpixels:
    """GLIME-Binomial (Tan et al. 2023): superpixels by the weights of an unweighted ridge regression."""
    segments = segments_of(task)
    draws = (task.rng.random((task.lime_samples, int(segments.max()) + 1)) < SHOWN).astype(np.int64)
    draws[0] = 1
    probabilities = drawn(task, draws, segments)
    surrogate = Ridge(alpha=1).fit(draws, probabilities)
    return Superpixels.weighted(segments, surrogate.coef_, r2=round(float(surrogate.score(draws, probabilities)), 6))
