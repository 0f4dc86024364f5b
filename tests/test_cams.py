"""Class activation maps: against Captum's where it has them, against their formulas, and their refusals."""

import dataclasses

import numpy as np
import pytest
import tiny
import torch
from captum.attr import LayerGradCam
from torch import nn

from compute.explainers import EXPLAINERS
from compute.explainers.cams.feature_map import feature_map
from compute.networks.classifier import Classifier

CAMS = [n for n, e in EXPLAINERS.items() if ".cams." in e.explain.__module__]


def test_the_feature_map_is_the_last_with_places(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    values, gradient = feature_map(task)
    body = classifier.network.body
    assert isinstance(body, nn.Sequential)
    x = (task.image - 0.5) / 0.25
    for module in body[:8]:
        x = module(x)
    torch.testing.assert_close(values, x[0].detach())
    assert gradient.shape == values.shape


def test_grad_cam_is_captums(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    body = classifier.network.body
    assert isinstance(body, nn.Sequential)
    layer = LayerGradCam(classifier.network, body[7]).attribute(task.image, task.target, relu_attributions=True)
    theirs = LayerGradCam.interpolate(layer, (64, 64), "bilinear")[0, 0].detach().numpy()
    np.testing.assert_allclose(np.asarray(EXPLAINERS["grad_cam"].explain(task)), theirs, atol=1e-6)


def test_layer_and_hires_cam_weigh_place_by_place(classifier: Classifier) -> None:
    task = tiny.task(of=classifier)
    values, gradient = feature_map(task)
    for name, weights in (("hires_cam", gradient), ("layer_cam", gradient.clamp(min=0))):
        small = (weights * values).sum(dim=0).clamp(min=0)
        found = np.asarray(EXPLAINERS[name].explain(task))
        assert found.max() <= float(small.max()) + 1e-6
        assert found.max() > 0


def test_score_cam_weighs_channels_by_what_is_seen_through_them(classifier: Classifier) -> None:
    """A channel that shows nothing of the target counts for nothing."""
    task = tiny.task(of=classifier)
    values, _ = feature_map(task)
    channel = int(values.flatten(1).std(dim=1).argmax())
    alive = torch.nonzero(values.amax(dim=(1, 2)) > values.amin(dim=(1, 2))).flatten().tolist()
    seen = iter(alive)

    def only(images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[float(next(seen) == channel)] * 6 for _ in images])

    found = np.asarray(EXPLAINERS["score_cam"].explain(dataclasses.replace(task, probabilities=only)))
    expected = nn.functional.interpolate(values[None, channel : channel + 1].clamp(min=0), (64, 64), mode="bilinear")
    np.testing.assert_allclose(found, expected[0, 0].numpy(), atol=1e-5)


@pytest.mark.parametrize("name", CAMS)
def test_the_network_is_left_as_it_was(name: str, classifier: Classifier) -> None:
    EXPLAINERS[name].explain(tiny.task(of=classifier))
    assert all(not m._forward_hooks and not m._backward_hooks for m in classifier.network.modules())


@pytest.mark.parametrize("name", [name for name in CAMS if name != "guided_grad_cam"])
def test_a_transformer_has_no_feature_map(name: str) -> None:
    with pytest.raises(ValueError, match="no feature map"):
        EXPLAINERS[name].explain(tiny.task(of=tiny.transformer()))


def test_attention_rollout_runs_on_a_transformer_and_nowhere_else(classifier: Classifier) -> None:
    found = np.asarray(EXPLAINERS["attention_rollout"].explain(tiny.task(of=tiny.transformer())))
    assert found.shape == (64, 64)
    assert found.min() >= 0
    assert found.max() > found.min()
    with pytest.raises(ValueError, match="attention rollout needs a transformer"):
        EXPLAINERS["attention_rollout"].explain(tiny.task(of=classifier))


class _Uniform(nn.Module):
    """One layer of attention whose class token looks at the patch that is brightest."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = nn.functional.avg_pool2d(x, 16).mean(dim=1).flatten(1)
        tokens = torch.cat([torch.zeros(len(x), 1), patches], dim=1)[:, None, :, None]
        query = torch.zeros_like(tokens)
        query[:, :, 0] = 50
        out = nn.functional.scaled_dot_product_attention(query, tokens, tokens)
        return out[:, 0, 0].repeat(1, 6) * torch.arange(6)


def test_attention_rollout_finds_the_patch_that_is_looked_at() -> None:
    task = tiny.task(of=Classifier.of(_Uniform(), size=64, name="looking"))
    brightest = nn.functional.avg_pool2d(task.image, 16).mean(dim=1)[0]
    found = np.asarray(EXPLAINERS["attention_rollout"].explain(task))
    y, x = divmod(int(brightest.argmax()), 4)
    assert found[y * 16 + 4 : y * 16 + 12, x * 16 + 4 : x * 16 + 12].mean() == pytest.approx(found.max(), rel=0.3)


class _ChannelsLast(nn.Module):
    """As timm's Swin: the last outputs with places are (h, w, channels); or they are heads with tokens."""

    def __init__(self, *, heads: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 8, 16, 16), nn.LayerNorm(8), nn.Linear(8, 6)
        self.heads = nn.Unflatten(2, (2, 4)) if heads else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = self.norm(self.conv(x).permute(0, 2, 3, 1))
        places = self.heads(places.flatten(1, 2) if isinstance(self.heads, nn.Unflatten) else places)
        logits: torch.Tensor = self.head(places.reshape(len(x), -1, 8).mean(dim=1))
        return logits


def test_channels_may_come_last() -> None:
    task = tiny.task(of=Classifier.of(_ChannelsLast(), size=64, name="last"))
    values, gradient = feature_map(task)
    assert values.shape == gradient.shape == (8, 4, 4)
    expected = task.network.norm(task.network.conv(task.image).permute(0, 2, 3, 1))[0].permute(2, 0, 1)  # type: ignore[operator]
    torch.testing.assert_close(values, expected.detach())


def test_heads_are_no_channels() -> None:
    task = tiny.task(of=Classifier.of(_ChannelsLast(heads=True), size=64, name="heads"))
    with pytest.raises(ValueError, match="no feature map"):
        feature_map(task)


class _Turn(nn.Module):
    """A network, and the turn at it: whose passes and hooks must lie within."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.held, self.passes = body, False, 0

    def __enter__(self) -> None:
        self._check()
        self.held = True

    def __exit__(self, *_: object) -> None:
        self._check()
        self.held = False

    def _check(self) -> None:
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in self.modules())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert self.held
        self.passes += len(x)
        logits: torch.Tensor = self.body(x)
        return logits


@pytest.mark.parametrize("name", [n for n, e in EXPLAINERS.items() if not e.baseline])
def test_passes_and_hooks_are_in_ones_own_turn(name: str) -> None:
    """Another case's pass would run into them."""
    network = _Turn((tiny.transformer() if name == "attention_rollout" else tiny.classifier()).network)
    task = tiny.task(lime_samples=16, exclusive=network)
    task = dataclasses.replace(
        task, network=network, photo=task.rgb, probabilities=lambda images: network(images).softmax(dim=1)
    )
    EXPLAINERS[name].explain(task)
    assert not network.held
