"""Explainers that hide parts of the image: against definitions, exact values and Captum."""

import dataclasses
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from captum.attr import FeatureAblation, Occlusion
from torch import Tensor

from compute.explainers import EXPLAINERS, Superpixels, Task
from compute.explainers.perturbation import shapley
from compute.explainers.perturbation.ablation import STRIDE, WINDOW
from compute.explainers.perturbation.samples import hidden_image
from compute.networks.classifier import Classifier

SEGMENTS = (np.arange(64)[:, None] // 32 * 3 + np.arange(64)[None, :] // 22).astype(np.int64)
"""Six rectangles."""


def playing(game: Callable[[npt.NDArray[np.bool_]], float], **more: Any) -> Task:
    """A task whose network sees which of the six rectangles are shown, and answers with the value of that coalition."""
    task = tiny.task(prepared=SEGMENTS, **more)
    image = task.rgb / 255.0
    hidden = hidden_image(image, SEGMENTS)

    def probabilities(batch: Tensor) -> Tensor:
        found = torch.zeros(len(batch), len(tiny.CLASSES))
        for i, one in enumerate(batch.permute(0, 2, 3, 1).numpy()):
            nearer = np.abs(one - image).sum(axis=2) < np.abs(one - hidden).sum(axis=2)
            shown = np.array([nearer[label == SEGMENTS].mean() > 0.5 for label in range(6)])
            found[i, task.target] = game(shown)
        return found

    return dataclasses.replace(task, probabilities=probabilities)


def values_of(name: str, task: Task) -> npt.NDArray[np.float64]:
    found = EXPLAINERS[name].explain(task)
    assert isinstance(found, Superpixels)
    assert found.values is not None
    assert found.ranked == [int(i) for i in np.argsort(-found.values, kind="stable") if found.values[i] > 0]
    return np.asarray(found.values, dtype=np.float64)


WEIGHTS = np.array([0.3, -0.1, 0.2, 0.05, 0.0, 0.15])


def additive(shown: npt.NDArray[np.bool_]) -> float:
    return 0.2 + float(WEIGHTS @ shown)


def together(shown: npt.NDArray[np.bool_]) -> float:
    """0 and 2 count only together; 5 by itself."""
    return 0.6 * float(shown[0] and shown[2]) + 0.2 * float(shown[5])


def exact(game: Callable[[npt.NDArray[np.bool_]], float]) -> npt.NDArray[np.float64]:
    """Shapley values by all 720 orders."""
    values = np.zeros(6)
    for order in permutations(range(6)):
        shown = np.zeros(6, bool)
        for label in order:
            before = game(shown)
            shown[label] = True
            values[label] += (game(shown) - before) / 720
    return values


@pytest.mark.parametrize("name", ["shapley_sampling", "kernel_shap", "feature_ablation"])
def test_of_an_additive_game_every_method_finds_the_weights(name: str) -> None:
    np.testing.assert_allclose(values_of(name, playing(additive, lime_samples=120)), WEIGHTS, atol=1e-5)


@pytest.mark.parametrize("name", ["shapley_sampling", "kernel_shap"])
def test_shapley_values_are_met_and_sum_to_what_is_to_be_explained(name: str) -> None:
    found = values_of(name, playing(together, lime_samples=1200))
    np.testing.assert_allclose(found, exact(together), atol=0.03)
    assert found.sum() == pytest.approx(0.8)


def test_every_order_comes_with_its_reverse_and_within_the_samples() -> None:
    orders = shapley.orders(100, 6, np.random.default_rng(0))
    assert len(orders) * 7 <= 100
    assert np.array_equal(orders[: len(orders) // 2], orders[len(orders) // 2 :, ::-1])
    assert shapley.appearing(np.array([2, 0, 1])).tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1]]


def test_coalitions_follow_the_shapley_kernel() -> None:
    draws = shapley.coalitions(40_000, 6, np.random.default_rng(0))
    sizes = np.bincount(draws.sum(axis=1), minlength=7)
    kernel = np.array([0, *(1 / (k * (6 - k)) for k in range(1, 6)), 0])
    np.testing.assert_allclose(sizes / len(draws), kernel / kernel.sum(), atol=0.01)
    assert np.array_equal(draws[:20_000] + draws[20_000:], np.ones((20_000, 6)))


@pytest.mark.parametrize("name", ["lime", "lime_paired", "glime"])
def test_surrogates_find_what_speaks_for_the_target(name: str) -> None:
    found = values_of(name, playing(additive, lime_samples=400))
    assert np.argsort(-found)[:3].tolist() == [0, 2, 5]
    assert np.argmin(found) == 1


def test_paired_draws_are_less_noisy_than_limes() -> None:
    def spread(name: str) -> float:
        runs = [values_of(name, playing(together, lime_samples=65, seed=seed)) for seed in range(12)]
        return float(np.std(runs, axis=0).mean())

    assert spread("lime_paired") < 0.8 * spread("lime")


def test_feature_ablation_is_captums(classifier: Classifier) -> None:
    task = tiny.task(of=classifier, prepared=SEGMENTS)
    hidden = torch.from_numpy(hidden_image(task.rgb / 255.0, SEGMENTS)).float().permute(2, 0, 1)[None]
    theirs = FeatureAblation(lambda x: task.probabilities(x)[:, task.target]).attribute(
        task.image, baselines=hidden, feature_mask=torch.from_numpy(SEGMENTS)[None, None]
    )
    ours = EXPLAINERS["feature_ablation"].explain(task)
    assert isinstance(ours, Superpixels)
    assert ours.map is not None
    np.testing.assert_allclose(ours.map, theirs[0, 0].detach().numpy(), atol=1e-6)


def test_occlusion_is_captums(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    side, stride = tiny.SIZE // WINDOW, tiny.SIZE // STRIDE
    theirs = Occlusion(lambda x: task.probabilities(x)[:, task.target]).attribute(
        task.image,
        sliding_window_shapes=(3, side, side),
        strides=(3, stride, stride),
        baselines=task.image.mean(dim=(2, 3), keepdim=True).expand_as(task.image),
    )
    np.testing.assert_allclose(
        np.asarray(EXPLAINERS["occlusion"].explain(task)), theirs[0, 0].detach().numpy(), atol=1e-6
    )


def test_rise_is_its_definition() -> None:
    """A network that looks at one spot: RISE points there."""
    task = tiny.task(lime_samples=600)

    def probabilities(batch: Tensor) -> Tensor:
        found = torch.zeros(len(batch), len(tiny.CLASSES))
        found[:, task.target] = 1 - (batch - task.image)[:, :, 40:48, 12:20].abs().mean(dim=(1, 2, 3))
        return found

    found = np.asarray(EXPLAINERS["rise"].explain(dataclasses.replace(task, probabilities=probabilities)))
    assert found.shape == (64, 64)
    y, x = np.unravel_index(found.argmax(), found.shape)
    assert np.hypot(y - 44, x - 16) < 10


@pytest.mark.parametrize("name", [n for n, e in EXPLAINERS.items() if "perturbation" in e.explain.__module__])
def test_another_class_of_the_same_image_costs_no_pass(name: str) -> None:
    """Their passes answer for all classes at once."""
    task = tiny.task(lime_samples=40)
    task = dataclasses.replace(task, photo=task.rgb)
    asked = 0

    def counting(batch: Tensor) -> Tensor:
        nonlocal asked
        asked += len(batch)
        return tiny_answers(batch)

    tiny_answers = task.probabilities
    task = dataclasses.replace(task, probabilities=counting)
    EXPLAINERS[name].explain(task)
    before = asked
    assert before > 0
    again = EXPLAINERS[name].explain(dataclasses.replace(task, target=0))
    assert asked == before
    alone = EXPLAINERS[name].explain(dataclasses.replace(task, target=0, memory={}))
    assert asked > before
    values = [e.map if isinstance(e, Superpixels) else e for e in (again, alone)]
    assert np.array_equal(np.asarray(values[0]), np.asarray(values[1]))
