"""Gradient methods by libraries: right where they can be, refused where their hooks would not see the network."""

from typing import Any

import numpy as np
import pytest
import tiny
import torch
from captum.attr import Deconvolution, DeepLift, IntegratedGradients
from torch import Tensor, nn
from torch.nn import functional as F

from compute.errors import InputError
from compute.explainers import EXPLAINERS, Task
from compute.explainers.captum import captum_explainer
from compute.networks.classifier import Classifier


class _Functional(nn.Module):
    """As Inception v3: rectifiers are functions."""

    def __init__(self, *, reuse: bool = False, pool: int = 0, six: bool = False, silu: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head, self.relu, self.pool = nn.Linear(8, 6), nn.ReLU(inplace=True), pool
        self.rectify = self.relu if reuse else F.silu if silu else F.relu6 if six else F.relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(self.first(x) * 9)
        if self.pool:
            x = F.max_pool2d(x.roll(3, dims=2) - x, self.pool, stride=2)
        y = self.rectify(self.second(x))
        logits: Tensor = self.head(y.mean(dim=(2, 3)))
        return logits


def _task(network: nn.Module) -> Task:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.reset_parameters()
    return tiny.task(of=Classifier.of(network.eval(), size=64, name="made"))


def test_deconvolution_is_captums_on_relu_modules(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    theirs = Deconvolution(classifier.network).attribute(task.image, target=task.target)[0].clamp(min=0).sum(dim=0)
    np.testing.assert_allclose(
        np.asarray(EXPLAINERS["deconvolution"].explain(task)), theirs.detach().numpy(), rtol=1e-4, atol=1e-6
    )


def test_integrated_gradients_sum_to_what_is_to_be_explained(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    found = np.asarray(EXPLAINERS["integrated_gradients"].explain(task))
    with torch.no_grad():
        logits = classifier.network(torch.cat([task.image, task.image * 0]))[:, task.target]
    assert found.sum() == pytest.approx(float(logits[0] - logits[1]), rel=0.05)
    theirs = IntegratedGradients(classifier.network).attribute(task.image, target=task.target, n_steps=64)
    np.testing.assert_allclose(found, theirs[0].sum(dim=0).detach().numpy(), atol=1e-4)


def test_hooks_see_relu_modules_and_miss_functions(classifier: Classifier) -> None:
    ours, hooks, plain = (EXPLAINERS[n] for n in ("guided_backprop", "guided_backprop_hooks", "saliency"))
    task = tiny.task(of=classifier)
    np.testing.assert_allclose(np.asarray(hooks.explain(task)), np.asarray(ours.explain(task)), rtol=1e-4, atol=1e-6)
    task = _task(_Functional())
    np.testing.assert_allclose(np.asarray(hooks.explain(task)), np.asarray(plain.explain(task)), rtol=1e-4, atol=1e-7)
    guided, plain_ = np.asarray(ours.explain(task)), np.asarray(hooks.explain(task))
    assert np.abs(guided - plain_).max() > 0.5 * plain_.max()


def test_deep_lift_is_captums_where_its_hooks_see_everything(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    theirs = DeepLift(tiny.classifier().network).attribute(task.image, baselines=0.0, target=task.target)
    np.testing.assert_allclose(
        np.asarray(EXPLAINERS["deep_lift"].explain(task)), theirs[0].sum(0).detach().numpy(), atol=1e-5
    )


@pytest.mark.parametrize("which", [{}, {"reuse": True}, {"pool": 2}, {"pool": 3}, {"six": True}], ids=str)
def test_deep_lift_sums_to_what_it_explains(which: dict[str, Any]) -> None:
    """Rectifiers that are functions, one module used twice, max pooling that overlaps or not, ReLU6."""
    task = _task(_Functional(**which))
    found = np.asarray(EXPLAINERS["deep_lift"].explain(task), dtype=np.float64)
    with torch.no_grad():
        logits = task.network(torch.cat([task.image, task.image * 0]))[:, task.target]
    assert found.sum() == pytest.approx(float(logits[0] - logits[1]), rel=1e-3)


def test_deep_lift_without_a_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="DeepLift has no rule for all of this network"):
        EXPLAINERS["deep_lift"].explain(_task(_Functional(silu=True)))


def test_noise_is_drawn_from_the_seed_alone(classifier: Classifier) -> None:
    for name in ("smoothgrad", "vargrad", "gradient_shap"):
        explain = EXPLAINERS[name].explain
        first = explain(tiny.task(of=classifier, seed=1))
        torch.rand(3)
        before = torch.random.get_rng_state()
        assert np.array_equal(np.asarray(first), np.asarray(explain(tiny.task(of=classifier, seed=1))))
        assert torch.equal(before, torch.random.get_rng_state())
        assert not np.array_equal(np.asarray(first), np.asarray(explain(tiny.task(of=classifier, seed=2))))


def test_any_attribution_of_captum_by_its_name(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    found = np.asarray(captum_explainer("captum:InputXGradient").explain(task))
    np.testing.assert_allclose(found, np.asarray(EXPLAINERS["input_x_gradient"].explain(task)), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("captum:Nonsense", "has no such attribution"),
        ("captum:LayerGradCam", "needs more than a network, an image and a class: layer"),
        ("captum:Occlusion", "sliding_window_shapes"),
        ("captum:os", "has no such attribution"),
    ],
)
def test_what_captum_cannot_do_alone_is_named(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        captum_explainer(name)
