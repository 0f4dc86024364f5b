"""Folding batch normalisation changes nothing but the number of passes over memory."""

from collections.abc import Callable

import pytest
import tiny
import torch
from torch import Tensor, nn

from compute.networks.classifier import Classifier
from compute.networks.fold import TOLERANCE, folded

X = torch.rand((4, 3, 16, 16), generator=torch.Generator().manual_seed(0))


def trained(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """A normalisation whose statistics and parameters are far from the identity."""
    for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
        if tensor is not None:
            nn.init.uniform_(tensor, 0.3, 2.0)
    return norm


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


class _Shared(nn.Module):
    """The convolution's output is normalised, and is used as it is too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), trained(nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        z: Tensor = y + torch.relu(self.norm(y))
        return z.mean(dim=(2, 3))


class _Twice(nn.Module):
    """One convolution before two normalisations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 4, 3), trained(nn.BatchNorm2d(4)), trained(nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.one(self.conv(x)) * self.two(self.conv(x + 1))
        return z.mean(dim=(2, 3))


def _plain(**options: bool) -> nn.Module:
    conv = nn.Conv2d(3, 4, 3, bias=options.pop("bias", True))
    return nn.Sequential(conv, trained(nn.BatchNorm2d(4, **options)), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {  # normalisations that must stay
    "with bias": (_plain, 0),
    "without bias": (lambda: _plain(bias=False), 0),
    "without parameters": (lambda: _plain(affine=False), 0),
    "of the batch itself": (lambda: _plain(track_running_stats=False), 1),
    "first of all": (lambda: nn.Sequential(trained(nn.BatchNorm2d(3)), nn.Conv2d(3, 4, 3), nn.Flatten()), 1),
    "after a rectifier": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), trained(nn.BatchNorm2d(4)), nn.Flatten()),
        1,
    ),
    "used elsewhere": (_Shared, 1),
    "convolution runs twice": (_Twice, 2),
    "grouped": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), trained(nn.BatchNorm2d(6)), nn.Flatten()),
        0,
    ),
}


def logits_and_gradient(network: nn.Module) -> tuple[Tensor, Tensor]:
    x = (1 - X).requires_grad_()
    y = network(x)
    (gradient,) = torch.autograd.grad(y[:, 1].sum(), x)
    return y.detach(), gradient


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_and_gradients_stay(name: str) -> None:
    build, left = NETWORKS[name]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build().eval().requires_grad_(False)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = folded(network, X)
    assert norms(found) == left
    assert found is not network
    assert all(torch.equal(network.state_dict()[k], v) for k, v in before.items())
    (plain, slope), (other, other_slope) = (logits_and_gradient(one) for one in (network, found))
    assert torch.allclose(plain, other, rtol=0, atol=TOLERANCE * float(plain.abs().max()))
    assert torch.allclose(slope, other_slope, rtol=0, atol=1e-3 * float(slope.abs().max()))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in found.modules())
    assert not any(p.requires_grad for p in found.parameters())


def test_efficientnet_lite0_is_folded_whole_and_keeps_its_relu6(lite0: Classifier) -> None:
    assert norms(lite0.network) == 0
    assert sum(isinstance(module, nn.ReLU6) for module in lite0.network.modules()) == 33


def test_a_network_without_normalisation_is_copied() -> None:
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    assert folded(network, X) is not network
    assert torch.equal(folded(network, X)(X), network(X))


def test_the_tiny_network_is_folded(classifier: Classifier) -> None:
    assert norms(classifier.network) == 0
    x = tiny.images(range(3))
    assert torch.allclose(classifier.network(x), tiny.network()((x - 0.5) / 0.25), atol=1e-3)
