"""Shapley values of superpixels: what each adds to the target's probability, averaged over the orders of appearing."""

import numpy as np

from compute.explainers.base import Superpixels, Task, register
from compute.explainers.perturbation.samples import Draws, Reals, drawn, segments_of, superpixels


def orders(samples: int, features: int, rng: np.random.Generator) -> Draws:
    """(orders, features): as many random orders as the samples allow, at least one, each with its reverse."""
    pairs = max(1, samples // (features + 1) // 2)
    forward = np.array([rng.permutation(features) for _ in range(pairs)])
    return np.concatenate([forward, forward[:, ::-1]])


def appearing(order: Draws) -> Draws:
    """(features + 1, features): draws in which the features appear one by one in that order."""
    place = np.argsort(order)
    return (place[None, :] < np.arange(len(order) + 1)[:, None]).astype(np.int64)


@register("shapley_sampling", prepare=superpixels, samples=True)
def shapley_sampling(task: Task) -> Superpixels:
    """Shapley value sampling (Castro et al. 2009), with every order also reversed."""
    segments = segments_of(task)
    found = orders(task.lime_samples, int(segments.max()) + 1, task.rng)
    probabilities = drawn(task, np.concatenate([appearing(order) for order in found]), segments)
    steps = np.diff(probabilities.reshape(len(found), -1), axis=1)
    values = np.zeros(found.shape[1])
    for order, step in zip(found, steps, strict=True):
        values[order] += step / len(found)
    return Superpixels.weighted(segments, values, orders=len(found))


@register("kernel_shap", prepare=superpixels, samples=True)
def kernel_shap(task: Task) -> Superpixels:
    """KernelSHAP (Lundberg and Lee 2017): coalitions drawn by the Shapley kernel, each with its complement."""
    segments = segments_of(task)
    features = int(segments.max()) + 1
    draws = coalitions(max(task.lime_samples - 2, 2), features, task.rng)
    ends = np.stack([np.zeros(features, np.int64), np.ones(features, np.int64)])
    probabilities = drawn(task, np.concatenate([ends, draws]), segments)
    return Superpixels.weighted(segments, solve(draws, probabilities[2:], probabilities[0], probabilities[1]))


def coalitions(count: int, features: int, rng: np.random.Generator) -> Draws:
    """(count, made even, features): sizes k by the Shapley kernel, 1 / (k (features - k)), and their complements."""
    sizes = np.arange(1, features)
    chances = 1 / (sizes * (features - sizes))
    drawn_sizes = rng.choice(sizes, size=count // 2, p=chances / chances.sum())
    draws = rng.random((count // 2, features)).argsort(axis=1).argsort(axis=1) < drawn_sizes[:, None]
    return np.concatenate([draws, ~draws]).astype(np.int64)


def solve(draws: Draws, probabilities: Reals, nothing: float, everything: float) -> Reals:
    """(features,) least-squares values that sum to everything - nothing: drawn by the kernel, so unweighted."""
    a = draws.T @ draws / len(draws)
    b = draws.T @ (probabilities - nothing) / len(draws)
    inverse = np.linalg.pinv(a)
    ones = np.ones(len(a))
    surplus = (ones @ inverse @ b - (everything - nothing)) / (ones @ inverse @ ones)
    return np.asarray(inverse @ (b - surplus * ones))
