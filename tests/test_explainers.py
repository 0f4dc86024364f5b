"""What every registered explainer must do; a new one is tested by being in the registry."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from captum.attr import Saliency
from torch import Tensor, nn

from compute.errors import InputError
from compute.explainers import EXPLAINERS, Explanation, Superpixels, Task, resolve
from compute.explainers.base import seed_of
from compute.networks.classifier import Classifier
from compute.scoring import entry as scores
from compute.sweep.explaining import entry_map

SIZES = scores.scheduled_sizes(tiny.SIZE**2)
every = pytest.mark.parametrize("name", EXPLAINERS)


def entry(name: str, task: Task) -> scores.EntryMap:
    return entry_map(EXPLAINERS[name].explain(task), SIZES, task)


@every
def test_an_explanation_makes_an_entry_map(classifier: Classifier, name: str) -> None:
    found = entry(name, tiny.task(of=classifier, lime_samples=40))
    assert found.shape == (tiny.SIZE, tiny.SIZE)
    assert found.dtype == np.uint8
    assert found.max() <= 20
    assert found.any()


@every
def test_an_explanation_follows_from_its_task(classifier: Classifier, name: str) -> None:
    one, same = (entry(name, tiny.task(of=classifier, lime_samples=40, seed=7)) for _ in range(2))
    assert np.array_equal(one, same)


@every
def test_batches_do_not_change_an_explanation(classifier: Classifier, name: str) -> None:
    one, other = (entry(name, tiny.task(of=classifier, lime_samples=40, batch=b)) for b in (40, 7))
    assert (one != other).mean() < 0.01


@every
def test_an_explanation_leaves_no_trace(classifier: Classifier, name: str) -> None:
    task = tiny.task(of=classifier, lime_samples=40)
    rgb, state = task.rgb.copy(), {k: v.clone() for k, v in classifier.network.state_dict().items()}
    torch.manual_seed(3)
    np.random.seed(3)
    EXPLAINERS[name].explain(task)
    drawn = torch.rand(1).item(), np.random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    assert drawn == (torch.rand(1).item(), np.random.random())  # no draw from the process' generators
    assert np.array_equal(task.rgb, rgb)
    assert all(torch.equal(classifier.network.state_dict()[k], v) for k, v in state.items())
    assert not classifier.network.training
    assert not any(p.requires_grad for p in classifier.network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in classifier.network.modules())
    assert torch.is_grad_enabled()


@every
def test_explaining_works_without_gradients_around_it(classifier: Classifier, name: str) -> None:
    with torch.no_grad():
        inside = entry(name, tiny.task(of=classifier, lime_samples=40))
    assert np.array_equal(inside, entry(name, tiny.task(of=classifier, lime_samples=40)))


@pytest.mark.parametrize("name", [n for n, e in EXPLAINERS.items() if not e.baseline])
def test_an_explanation_is_of_the_target(classifier: Classifier, name: str) -> None:
    """Another class has another explanation; only a baseline need not look at the network."""
    one, other = (entry(name, tiny.task(of=classifier, target=t, lime_samples=40)) for t in (0, 3))
    assert not np.array_equal(one, other)


def test_random_depends_on_its_seed_alone(classifier: Classifier) -> None:
    one, other = (entry("random", tiny.task(of=classifier, seed=s)) for s in (1, 2))
    assert not np.array_equal(one, other)
    elsewhere = entry("random", tiny.task(of=classifier, image=8, target=0, seed=1))
    assert np.array_equal(one, elsewhere)


@pytest.mark.parametrize("which", ["classifier", "lite0"])
def test_saliency_is_captum_s_gradient_without_its_negative_part(request: pytest.FixtureRequest, which: str) -> None:
    known: Classifier = request.getfixturevalue(which)
    task = tiny.task(of=known, target=2)
    gradient = Saliency(known.network).attribute(task.image.requires_grad_(), target=2, abs=False)[0]
    expected = gradient.clamp(min=0).sum(dim=0).numpy()
    found = np.asarray(EXPLAINERS["saliency"].explain(task))
    assert found.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.max())


def test_the_baseline_is_random_and_the_rest_is_ranked() -> None:
    assert [name for name, explainer in EXPLAINERS.items() if explainer.baseline] == ["random"]
    assert {"saliency", "guided_backprop", "lime"} < set(EXPLAINERS)


def test_resolve_keeps_the_order_of_names() -> None:
    assert [e.name for e in resolve(["lime", "random", "saliency"])] == ["lime", "random", "saliency"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["gradcam"], "--explainers gradcam: unknown; known are .*saliency.*your own is MODULE:NAME"),
        (["lime", "lime"], "a name stands twice"),
        ([], "name at least one"),
        (["no_such_module:f"], "no_such_module:f: cannot be imported .ModuleNotFoundError"),
        (["broken_module:f"], "broken_module:f: cannot be imported .ZeroDivisionError"),
        (["math:nothing"], "math:nothing: cannot be imported .AttributeError"),
        (["math:pi"], "math:pi: not a function of a task"),
        ([":f"], "unknown; known are"),
        (["math:"], "unknown; known are"),
    ],
)
def test_what_is_no_explainer_is_an_error(in_folder: Path, names: list[str], reason: str) -> None:
    (in_folder / "broken_module.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=reason):
        resolve(names)


def returning(value: Any) -> Callable[[Task], Explanation]:
    return lambda task: value


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((5, 5)), r"priorities of shape \(5, 5\) for an image of \(64, 64\)"),
        (np.full((64, 64), np.nan), "priorities must be finite"),
        (np.full((64, 64), np.inf), "priorities must be finite"),
        (np.full((64, 64), "a"), "priorities must be finite numbers"),
        (None, "priorities of shape"),
        (Superpixels(np.zeros((5, 5), int), [0]), r"segments of shape \(5, 5\)"),
        (Superpixels(np.zeros((64, 64), int), [0, 0]), "ranked twice"),
        (Superpixels(np.zeros((64, 64), int), [3]), "superpixel 3 is not in the segments"),
    ],
)
def test_what_is_no_explanation_is_refused(classifier: Classifier, value: Any, reason: str) -> None:
    task = tiny.task(of=classifier)
    with pytest.raises(ValueError, match=reason):
        entry_map(returning(value)(task), SIZES, task)


def test_integer_priorities_and_no_superpixel_at_all_will_do(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    found = entry_map(returning(np.arange(64 * 64).reshape(64, 64))(task), SIZES, task)
    assert np.array_equal(scores.sizes_of(found), SIZES)
    assert not entry_map(Superpixels(np.zeros((64, 64), int), []), SIZES, task).any()


def test_seeds_differ_by_any_part_and_by_nothing_else() -> None:
    parts = [(0, "a", "lime"), (1, "a", "lime"), (0, "b", "lime"), (0, "a", "random"), (0, "al", "ime")]
    assert len({seed_of(*p) for p in parts}) == len(parts)
    assert seed_of(0, "a") == seed_of("0", "a")
    assert all(0 <= seed_of(i) < 2**32 for i in range(100))


class _Bare(nn.Module):
    """No parameters, no buffers; its first logit is the mean of red."""

    def forward(self, x: Tensor) -> Tensor:
        means: Tensor = x.mean(dim=(2, 3))
        return means


def test_a_network_without_parameters_can_be_explained() -> None:
    task = tiny.task(of=Classifier.of(_Bare(), size=tiny.SIZE, name="bare"), target=0)
    found = EXPLAINERS["saliency"].explain(task)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, 1 / tiny.SIZE**2)
