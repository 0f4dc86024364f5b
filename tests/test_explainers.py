"""What every registered explainer must do; a new one is tested by being in the registry."""

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from captum.attr import Saliency
from torch import Tensor, nn

from compute.errors import InputError
from compute.explainers import EXPLAINERS, Superpixels, Task, plain, resolve
from compute.explainers.base import seed_of
from compute.networks.classifier import Classifier
from compute.networks.passes import Passes
from compute.scoring import entry as scores
from compute.scoring import ranking

SIZES = scores.scheduled_sizes(tiny.SIZE**2)
every = pytest.mark.parametrize("name", EXPLAINERS)
ELSEWHERE = {"attention_rollout": tiny.transformer}
"""What the tiny network cannot be explained by, and a network that can."""
BLIND = {"eigen_cam", "attention_rollout"}
"""Explainers that know nothing of the class that is explained."""


def known(name: str) -> Classifier:
    return ELSEWHERE.get(name, tiny.classifier)()


def task_of(name: str, **more: Any) -> Task:
    task = tiny.task(of=known(name), **{"lime_samples": 40, **more})
    return dataclasses.replace(task, photo=task.rgb)


def entry_map(value: Any, sizes: scores.Sizes, task: Task) -> scores.EntryMap:
    found, _ = plain.explanation(value, task.rgb.shape[:2])
    return ranking.entry_map(found, sizes, np.random.default_rng(seed_of(task.seed, "ties")))


def entry(name: str, task: Task) -> scores.EntryMap:
    return entry_map(EXPLAINERS[name].explain(task), SIZES, task)


@every
def test_an_explanation_makes_an_entry_map(name: str) -> None:
    found = entry(name, task_of(name))
    assert found.shape == (tiny.SIZE, tiny.SIZE)
    assert found.dtype == np.uint8
    assert found.max() <= 20
    assert found.any()


@every
def test_its_passes_are_counted_and_baselines_make_none(name: str) -> None:
    task, passes = task_of(name), Passes()
    with passes.of(task.network):
        EXPLAINERS[name].explain(dataclasses.replace(task, probabilities=passes.counting(task.probabilities)))
    assert (passes.count > 0) == (not EXPLAINERS[name].baseline)


@every
def test_an_explanation_follows_from_its_task(name: str) -> None:
    one, same = (entry(name, task_of(name, seed=7)) for _ in range(2))
    assert np.array_equal(one, same)


@every
def test_batches_do_not_change_an_explanation(name: str) -> None:
    one, other = (entry(name, task_of(name, batch=b)) for b in (40, 7))
    assert (one != other).mean() < 0.01


@every
def test_an_explanation_leaves_no_trace(name: str) -> None:
    task = task_of(name)
    network = task.network
    rgb, state = task.rgb.copy(), {k: v.clone() for k, v in network.state_dict().items()}
    torch.manual_seed(3)
    np.random.seed(3)
    EXPLAINERS[name].explain(task)
    drawn = torch.rand(1).item(), np.random.random()
    torch.manual_seed(3)
    np.random.seed(3)
    assert drawn == (torch.rand(1).item(), np.random.random())  # no draw from the process' generators
    assert np.array_equal(task.rgb, rgb)
    assert all(torch.equal(network.state_dict()[k], v) for k, v in state.items())
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks for m in network.modules())
    assert torch.is_grad_enabled()


@every
def test_explaining_works_without_gradients_around_it(name: str) -> None:
    with torch.no_grad():
        inside = entry(name, task_of(name))
    assert np.array_equal(inside, entry(name, task_of(name)))


@pytest.mark.parametrize("name", [n for n, e in EXPLAINERS.items() if not e.baseline and n not in BLIND])
def test_an_explanation_is_of_the_target(name: str) -> None:
    """Another class has another explanation; only a baseline need not look at the network."""
    one, other = (entry(name, task_of(name, target=t)) for t in (0, 3))
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


def test_baselines_look_at_no_network_and_the_rest_is_ranked() -> None:
    baselines = {name for name, explainer in EXPLAINERS.items() if explainer.baseline}
    assert baselines == {"random", "random@superpixels", "centre", "edges", "texture", "oracle@superpixels"}
    for name in baselines:
        one, other = (entry(name, task_of(name, target=t)) for t in (0, 3))
        assert np.array_equal(one, other)
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
        (["exiting_module:f"], "exiting_module:f: cannot be imported .SystemExit: 0"),
        (["exiting_class:F"], "exiting_class:F: cannot be imported .SystemExit: bye"),
        (["math:nothing"], "math:nothing: cannot be imported .AttributeError"),
        (["math:pi"], "math:pi: not a function of a task"),
        ([":f"], "unknown; known are"),
        (["math:"], "unknown; known are"),
    ],
)
def test_what_is_no_explainer_is_an_error(in_folder: Path, names: list[str], reason: str) -> None:
    (in_folder / "broken_module.py").write_text("1 / 0\n")
    (in_folder / "exiting_module.py").write_text("import sys\nsys.exit(0)\n")
    (in_folder / "exiting_class.py").write_text("class F:\n    def __init__(self):\n        raise SystemExit('bye')\n")
    with pytest.raises(InputError, match=reason):
        resolve(names)


def square(dtype: Any = int) -> Any:
    return np.zeros((64, 64), dtype)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((5, 5)), r"priorities of shape \(5, 5\) for an image of \(64, 64\)"),
        (np.zeros((1, 64, 64)), r"priorities of shape \(1, 64, 64\)"),
        (torch.zeros(3), r"priorities of shape \(3,\)"),
        ([1, [2]], "inhomogeneous"),
        (np.full((64, 64), np.nan), "priorities must be finite"),
        (np.full((64, 64), np.inf), "priorities must be finite"),
        (np.full((64, 64), "a"), "priorities must be finite numbers"),
        (square(complex), "finite numbers, and real ones"),
        (square(object), "finite numbers"),
        (square("datetime64[s]"), "finite numbers"),
        ([[10**30] * 64] * 64, "finite numbers"),
        (np.ma.masked_equal(square(float), 0), "must not be masked"),
        (None, "priorities of shape"),
        ("map", "priorities of shape"),
        (Superpixels(np.zeros((5, 5), int), [0]), r"segments of shape \(5, 5\)"),
        (Superpixels(square(float), [0]), "segments must be integers, and are float64"),
        (Superpixels(np.ma.masked_equal(square(), 0), [0]), "must not be masked"),
        (Superpixels(square(), [0, 0]), "ranked twice"),
        (Superpixels(square(), torch.zeros(2, dtype=torch.int64)), "ranked twice"),  # type: ignore[arg-type]
        (Superpixels(square(), [3]), "superpixel 3 is not in the segments"),
        (Superpixels(square(np.uint8), [-1]), "superpixel -1 is not in the segments"),
        (Superpixels(square(), [10**30]), "superpixel 1000000+ is not in the segments"),
        (Superpixels(square(), itertools.count()), "superpixel 1 is not in the segments"),  # type: ignore[arg-type]
        (Superpixels(square(), [0.0]), "float"),  # type: ignore[list-item]
        (Superpixels(square(), [np.nan]), "float"),  # type: ignore[list-item]
        (Superpixels(square(), ["0"]), "str"),  # type: ignore[list-item]
        (Superpixels(square(), [[0]]), "list"),  # type: ignore[list-item]
        (Superpixels(square(), {0}), "must be a list, and are a set"),  # type: ignore[arg-type]
        (Superpixels(square(), 0), "must be a list, and are a int"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_explanation_is_refused(classifier: Classifier, value: Any, reason: str) -> None:
    task = tiny.task(of=classifier)
    with pytest.raises((ValueError, TypeError), match=reason):
        entry_map(value, SIZES, task)


RAMP: Any = np.arange(64 * 64).reshape(64, 64)


@pytest.mark.parametrize(
    "value",
    [
        RAMP,
        RAMP.tolist(),
        -RAMP[::-1, ::-1].astype(np.int16),
        RAMP.astype(np.float16) * 0 + RAMP,
        RAMP.astype(np.longdouble),
        RAMP.astype(np.uint64) + np.uint64(2**63),
        RAMP + 2**62,
        np.ma.masked_equal(RAMP, -1),
        torch.from_numpy(RAMP),
        torch.from_numpy(RAMP).double().requires_grad_(),
        torch.from_numpy(RAMP).double().to_sparse(),
        torch.from_numpy(RAMP).conj(),
    ],
    ids=lambda value: f"{type(value).__name__} {getattr(value, 'dtype', '')}",
)
def test_the_order_of_priorities_counts_whatever_holds_them(classifier: Classifier, value: Any) -> None:
    """Also of integers that differ only beyond float64's 53 bits."""
    task = tiny.task(of=classifier)
    assert np.array_equal(entry_map(value, SIZES, task), entry_map(RAMP.astype(float), SIZES, task))


def test_booleans_are_priorities_of_0_and_1(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    given: list[Any] = [RAMP % 3 == 0, torch.from_numpy(RAMP % 3 == 0), torch.from_numpy(RAMP % 3 == 0).bfloat16()]
    for value in given:
        assert np.array_equal(entry_map(value, SIZES, task), entry_map((RAMP % 3 == 0) * 1.0, SIZES, task))


@pytest.mark.parametrize(
    ("segments", "ranked"),
    [
        (RAMP // 64, [5, 3]),
        (torch.from_numpy(RAMP // 64), torch.tensor([5, 3])),
        (RAMP // 64, (np.int8(5), np.uint64(3))),
        ((RAMP // 64).tolist(), iter([5, 3])),
        (RAMP // 64 - 10, [-5, -7]),
        (RAMP // 64 + 2**40, [5 + 2**40, 3 + 2**40]),
        ((RAMP // 64).astype(np.uint8), [5, 3]),
    ],
)
def test_labels_may_be_any_integers(classifier: Classifier, segments: Any, ranked: Any) -> None:
    found = entry_map(Superpixels(segments, ranked), SIZES, tiny.task(of=classifier))
    assert np.array_equal(np.unique(found[5]), [1])
    assert np.array_equal(np.unique(found[3]), [2])
    assert np.count_nonzero(found) == 128


def test_integer_priorities_and_no_superpixel_at_all_will_do(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    assert np.array_equal(scores.sizes_of(entry_map(RAMP, SIZES, task)), SIZES)
    assert not entry_map(Superpixels(square(), []), SIZES, task).any()


def test_diagnostics_become_valid_json() -> None:
    given: dict[Any, Any] = {
        "real": np.float32(0.5), "nan": np.nan, "array": np.array([1.5, np.inf]), "tensor": torch.tensor(3),
        "whole": np.int64(7), "flag": np.bool_(True), 4: [float("-inf"), None, "ü"], "half": np.float16(2),
    }  # fmt: skip
    assert json.loads(plain.as_json(given), parse_constant=pytest.fail) == {
        "real": 0.5, "nan": None, "array": [1.5, None], "tensor": 3,
        "whole": 7, "flag": True, "4": [None, None, "ü"], "half": 2,
    }  # fmt: skip
    with pytest.raises(TypeError, match="diagnostics hold a object"):
        plain.as_json({"a": object()})


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
