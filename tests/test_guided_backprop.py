"""Guided backpropagation: the same numbers however a network spells its rectifiers, and Captum's where Captum can."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import tiny
import torch
import torchvision
from captum.attr import GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F

from compute.explainers import EXPLAINERS
from compute.explainers.gradients.rectifiers import Guided, Rectifiers
from compute.networks.classifier import Classifier

guided, saliency = EXPLAINERS["guided_backprop"].explain, EXPLAINERS["saliency"].explain
Rectify = Callable[[Tensor], Tensor]


class Net(nn.Module):
    """A residual network of one spelling; its second rectifier's input is used again."""

    def __init__(self, rectify: Rectify) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.a, self.b = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3, padding=1)
            self.c = nn.Conv2d(6, 6, 3, padding=1)
            self.head = nn.Linear(6, 4)
        self.rectify = rectify

    def forward(self, x: Tensor) -> Tensor:
        x = self.rectify(4 * self.a(x))
        x = self.rectify(self.b(x) + x)
        x = self.rectify(self.c(x))
        found: Tensor = self.head(x.mean(dim=(2, 3)))
        return found


def of(rectify: Rectify) -> Classifier:
    return Classifier.of(Net(rectify), size=tiny.SIZE)


def priorities(known: Classifier, explain: Callable[..., object] = guided, target: int = 1) -> npt.NDArray[np.float32]:
    return np.asarray(explain(tiny.task(of=known, target=target)), dtype=np.float32)


def _method_in_place(x: Tensor) -> Tensor:
    return x.relu_()


def _in_place_without_result(x: Tensor) -> Tensor:
    """The caller goes on with the tensor that it passed."""
    F.relu(x, inplace=True)
    return x


def _in_place_by_position(x: Tensor) -> Tensor:
    F.relu(x, True)
    return x


RELU: dict[str, Rectify] = {
    "module": nn.ReLU(), "module in place": nn.ReLU(inplace=True), "functional": F.relu,
    "functional in place": lambda x: F.relu(x, inplace=True), "by name": lambda x: F.relu(input=x),
    "torch.relu": torch.relu, "torch.relu_": torch.relu_, "method": lambda x: x.relu(), "method in place":
    _method_in_place, "without result": _in_place_without_result, "by position": _in_place_by_position,
}  # fmt: skip
RELU6: dict[str, Rectify] = {
    "module": nn.ReLU6(), "module in place": nn.ReLU6(inplace=True), "functional": F.relu6,
    "functional in place": lambda x: F.relu6(x, inplace=True), "hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "hardtanh by name": lambda x: F.hardtanh(x, min_val=0.0, max_val=6.0),
    "hardtanh in place": lambda x: F.hardtanh(x, 0.0, 6.0, True), "hardtanh_": lambda x: F.hardtanh_(x, 0.0, 6.0),
    "hardtanh module": nn.Hardtanh(0.0, 6.0), "hardtanh module in place": nn.Hardtanh(0.0, 6.0, inplace=True),
}  # fmt: skip


@pytest.mark.parametrize("spelling", RELU)
def test_every_spelling_of_relu_gives_captum_s_numbers(spelling: str) -> None:
    separate = Net(nn.ReLU())
    modules = Classifier.of(separate, size=tiny.SIZE)
    found = priorities(of(RELU[spelling]))
    image = tiny.task(of=modules).image.requires_grad_()
    expected = GuidedBackprop(modules.network).attribute(image, target=1)[0].clamp(min=0).sum(dim=0).detach().numpy()
    assert found.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(found, priorities(of(RELU[spelling]), saliency), rtol=1e-2)


def test_captum_s_numbers_on_the_tiny_network(classifier: Classifier) -> None:
    for target in range(len(tiny.CLASSES)):
        image = tiny.task(of=classifier).image.requires_grad_()
        captum = GuidedBackprop(classifier.network).attribute(image, target=target)[0].clamp(min=0).sum(dim=0)
        found = priorities(classifier, target=target)
        np.testing.assert_allclose(found, captum.detach().numpy(), rtol=1e-4, atol=1e-6 * found.max())


@pytest.mark.parametrize("spelling", RELU6)
def test_every_spelling_of_relu6_gives_the_same_numbers(spelling: str) -> None:
    """Against the definition: a gradient passes where it is positive and 0 < x < 6."""
    found = priorities(of(RELU6[spelling]))
    np.testing.assert_allclose(found, priorities(of(_ByDefinition.apply)), rtol=1e-5, atol=1e-7)
    assert not np.allclose(found, priorities(of(RELU6[spelling]), saliency), rtol=1e-2)


class _ByDefinition(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        torch.relu(torch.zeros(1))  # so that the network has a rectifier to be met
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        passed: Tensor = gradient * (gradient > 0) * (x > 0) * (x < 6)
        return passed


@pytest.mark.parametrize("spelling", [*RELU, *RELU6])
def test_the_forward_pass_is_unchanged(spelling: str) -> None:
    known = of({**RELU, **RELU6}[spelling])
    image = tiny.task(of=known).image
    with Rectifiers(Guided.apply) as mode:
        inside = known.network(image)
    assert torch.equal(inside, known.network(image))
    assert mode.met == 3


def test_inception_v3_s_functional_relus_are_guided() -> None:
    """It holds no nn.ReLU: what hooks modules returns the plain gradient under guided backpropagation's name."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.inception_v3(weights=None, init_weights=False, transform_input=True)
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())
    known = Classifier.of(network, size=299)
    found, plain = priorities(known), priorities(known, saliency)
    assert found.max() > 0
    assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] < 0.9
    with Rectifiers(Guided.apply) as mode, torch.no_grad():
        known.network(torch.rand(1, 3, 299, 299))
    assert mode.met == 94


def test_efficientnet_lite0_s_relu6_are_guided(lite0: Classifier) -> None:
    found, plain = priorities(lite0, target=77), priorities(lite0, saliency, target=77)
    assert found.max() > 0
    assert np.corrcoef(found.ravel(), plain.ravel())[0, 1] < 0.9


@pytest.mark.parametrize("fails", [False, True])
def test_no_mode_is_left_behind(fails: bool) -> None:
    known = of(torch.relu)
    net = known.network
    assert isinstance(net, Net)
    if fails:
        net.rectify = _broken
        with pytest.raises(ZeroDivisionError):
            priorities(known)
    else:
        priorities(known)
    x = torch.tensor([2.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(-F.relu(x), x)
    assert gradient == -1  # a guided rectifier would have dropped it


def _broken(x: Tensor) -> Tensor:
    return F.relu(x) / (1 // 0)


@pytest.mark.parametrize("activation", [nn.SiLU(), nn.GELU(), torch.sigmoid, nn.Hardtanh()])
def test_networks_without_relu_are_refused(activation: Rectify) -> None:
    with pytest.raises(ValueError, match="needs ReLU, and this network has none"):
        priorities(of(activation))
