"""LIME for images (Ribeiro et al. 2016): exactly the algorithm of lime 0.2.0.1's `LimeImageExplainer` at its defaults.

Segmentation, draws, distances, kernel and surrogate are lime's own; the perturbed images, which lime builds one by one
in Python, are composed a batch at a time.
"""

from functools import lru_cache

import numpy as np
from lime.lime_base import LimeBase
from sklearn.metrics import pairwise_distances

from compute.explainers.base import Superpixels, Task, register
from compute.explainers.perturbation.samples import Draws, Reals, Segments, drawn, segments_of, superpixels

KERNEL_WIDTH = 0.25
GRID = 7
"""Rows and columns of `lime@grid`: about as many squares as quickshift finds superpixels."""


def kernel(distances: Reals) -> Reals:
    """lime's exponential kernel."""
    return np.sqrt(np.exp(-(distances**2) / KERNEL_WIDTH**2))


def draw(task: Task, features: int) -> Draws:
    """(samples, features): lime's draws; the first row is the image itself."""
    draws = np.random.RandomState(task.seed).randint(0, 2, task.lime_samples * features)
    draws = draws.reshape(task.lime_samples, features)
    draws[0, :] = 1
    return draws


def fit(draws: Draws, probabilities: Reals) -> tuple[list[tuple[int, float]], float]:
    """lime's surrogate: (superpixel, weight) by decreasing magnitude, and its R2 on the samples."""
    distances = pairwise_distances(draws, draws[0].reshape(1, -1), metric="cosine").ravel()
    _, weights, r2, _ = LimeBase(kernel, random_state=0).explain_instance_with_data(
        draws, probabilities[:, None], distances, 0, num_features=100_000, feature_selection="auto"
    )
    return [(int(label), float(weight)) for label, weight in weights], float(r2)


def explained(task: Task, segments: Segments, draws: Draws) -> Superpixels:
    """Superpixels by the weight that lime's surrogate gives them; only positive ones speak for the target."""
    weights, r2 = fit(draws, drawn(task, draws, segments))
    values = np.zeros(draws.shape[1])
    for label, weight in weights:
        values[label] = weight
    return Superpixels.weighted(segments, values, r2=round(r2, 6))


@register("lime", prepare=superpixels, samples=True)
def lime(task: Task) -> Superpixels:
    """LIME (Ribeiro et al. 2016) as it is: quickshift's superpixels of the image."""
    segments = segments_of(task)
    return explained(task, segments, draw(task, int(segments.max()) + 1))


@lru_cache(maxsize=16)
def _of_photo(data: bytes, shape: tuple[int, ...]) -> Segments:
    """A photo's superpixels: all its regions, controls and seeds ask for them again."""
    return superpixels(np.frombuffer(data, np.uint8).reshape(shape))


@register("lime@clean", samples=True)
def lime_clean(task: Task) -> Superpixels:
    """LIME over the superpixels of the unattacked photo, which an attack's texture cannot disturb."""
    segments = _of_photo(task.photo.tobytes(), task.photo.shape)
    return explained(task, segments, draw(task, int(segments.max()) + 1))


@register("lime@grid", samples=True)
def lime_grid(task: Task) -> Superpixels:
    """LIME over the squares of a grid, which know nothing of the image."""
    height, width = task.rgb.shape[:2]
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    segments = rows[:, None] * GRID + columns[None, :]
    return explained(task, segments, draw(task, GRID * GRID))


@register("lime_paired", prepare=superpixels, samples=True)
def lime_paired(task: Task) -> Superpixels:
    """LIME whose draws come in pairs, each with its complement: less noise for the same passes."""
    segments = segments_of(task)
    draws = draw(task, int(segments.max()) + 1)
    pairs = (len(draws) - 1) // 2
    draws[1 + pairs : 1 + 2 * pairs] = 1 - draws[1 : 1 + pairs]
    return explained(task, segments, draws)
