"""Our LIME is lime's: the same superpixels in the same order with the same weights."""

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
from lime.lime_image import LimeImageExplainer

from compute.explainers import EXPLAINERS, Superpixels, Task
from compute.explainers.perturbation.samples import hidden_image
from compute.inputs import photos
from compute.networks.classifier import Classifier


def lime(task: Task) -> Superpixels:
    found = EXPLAINERS["lime"].explain(task)
    assert isinstance(found, Superpixels)
    return found


def theirs(task: Task) -> tuple[npt.NDArray[np.integer], list[tuple[int, float]], float]:
    """Segments, (superpixel, weight) by size of the weight, and R2, from lime itself."""

    def classify(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        with torch.inference_mode():
            return np.asarray(task.network(batch).softmax(dim=1).numpy())

    # With an explicit random_seed, lime draws nothing from random_state before the perturbations.
    found = LimeImageExplainer(random_state=np.random.RandomState(task.seed)).explain_instance(
        task.rgb / 255.0, classify, labels=(task.target,), top_labels=None, num_samples=task.lime_samples,
        random_seed=task.seed,
    )  # fmt: skip
    return found.segments, found.local_exp[task.target], float(found.score)


def assert_same(task: Task) -> None:
    segments, weights, r2 = theirs(task)
    ours = lime(task)
    positive = [(label, weight) for label, weight in weights if weight > 0]
    assert np.array_equal(ours.segments, segments)
    assert len(positive) > 5
    assert list(ours.ranked) == [label for label, _ in positive]
    np.testing.assert_allclose(ours.diagnostics["weights"], [w for _, w in positive[:20]], atol=2e-6)
    assert ours.diagnostics["r2"] == pytest.approx(r2, abs=1e-4)
    assert ours.diagnostics["positive"] == len(positive)
    assert ours.diagnostics["superpixels"] == len(np.unique(segments))


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_equal_to_lime_on_the_tiny_network(classifier: Classifier, seed: int) -> None:
    made = tiny.task(of=classifier)
    rgb = tiny.photo(3, 160, 160)  # the tiny network takes any size; more pixels make more superpixels
    assert_same(Task(made.network, rgb, 1, seed, made.probabilities, lime_samples=80, batch=32))


def test_equal_to_lime_on_a_real_photo_and_network(lite0: Classifier) -> None:
    (source,) = [s for s in photos.find([])[0] if s.name == "chelsea.png"]
    rgb = photos.load(source, lite0.size).rgb
    made = tiny.task(of=lite0, target=285, seed=5, lime_samples=60)
    assert_same(Task(made.network, rgb, 285, made.seed, made.probabilities, lime_samples=60))


def test_hidden_superpixels_take_their_mean_colour() -> None:
    rng = np.random.default_rng(0)
    image, segments = rng.random((20, 20, 3)), rng.integers(0, 9, (20, 20))
    hidden = hidden_image(image, segments)
    for label in np.unique(segments):
        expected = image[segments == label].mean(axis=0)
        np.testing.assert_allclose(hidden[segments == label] - expected, 0, atol=1e-12)


def test_only_superpixels_that_speak_for_the_target_are_ranked(classifier: Classifier) -> None:
    found = lime(tiny.task(of=classifier, lime_samples=80))
    weights = found.diagnostics["weights"]
    assert all(weight > 0 for weight in weights)
    assert weights == sorted(weights, reverse=True)
    assert len(found.ranked) < found.diagnostics["superpixels"]


def test_the_superpixel_that_decides_comes_first(classifier: Classifier) -> None:
    """A network that looks only at where one superpixel lies is explained by that superpixel."""
    task = tiny.task(of=classifier, lime_samples=300)
    segments = np.asarray(lime(task).segments)
    label = int(np.bincount(segments.ravel()).argmax())
    mask = torch.from_numpy(segments == label)
    original = task.image[0][:, mask]

    def probabilities(images: torch.Tensor) -> torch.Tensor:
        shown = torch.exp(-50 * (images[:, :, mask] - original).abs().mean(dim=(1, 2)))
        return torch.stack([shown] * len(tiny.CLASSES), dim=1)

    found = lime(Task(task.network, task.rgb, 0, 0, probabilities, lime_samples=300))
    assert found.ranked[0] == label
    assert found.diagnostics["weights"][0] > 5 * found.diagnostics["weights"][1]


def test_a_photo_of_one_colour_is_one_superpixel(classifier: Classifier) -> None:
    made = tiny.task(of=classifier)
    flat = Task(made.network, np.full_like(made.rgb, 90), 0, 0, made.probabilities, lime_samples=20)
    found = lime(flat)
    assert len(np.unique(found.segments)) == found.diagnostics["superpixels"]
