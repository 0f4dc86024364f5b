"""Classifiers: [0, 1] in, logits out; weights are read safely and must fit."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import tiny
import torch
import torchvision
from torch import Tensor, nn

from compute.errors import InputError
from compute.inputs import photos
from compute.networks import classifiers
from compute.networks.classifier import Classifier
from compute.networks.classifiers import load, recipe


def predict(classifier: Classifier, images: Tensor) -> Tensor:
    with torch.inference_mode():
        found: Tensor = classifier.network(images)
    return found


def named(build: Callable[[], nn.Module], path: Path) -> nn.Module:
    """A network with random weights, in eval mode, and its state dict in a file."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = build().eval()
    torch.save(network.state_dict(), path)
    return network


def standardised(x: Tensor, mean: Any = (0.485, 0.456, 0.406), std: Any = (0.229, 0.224, 0.225)) -> Tensor:
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=0, atol=2e-4 * float(b.abs().max()))


@pytest.mark.parametrize(
    ("network", "photo", "name", "confidence"),
    [
        ("efficientnet_lite0", "chelsea.png", "Egyptian cat", 0.38),
        ("efficientnet_lite0", "coffee.png", "espresso", 0.94),
        ("efficientnet_lite1", "china.jpg", "palace", 0.52),
        ("efficientnet_lite2", "chelsea.png", "Egyptian cat", 0.60),
        ("efficientnet_lite2", "coffee.png", "espresso", 0.90),
    ],
)
def test_bundled_networks_classify(network: str, photo: str, name: str, confidence: float) -> None:
    known = load(network)
    (source,) = [s for s in photos.find([])[0] if s.name == photo]
    rgb = photos.load(source, known.size).rgb
    p = predict(known, torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255).softmax(dim=1)[0]
    assert known.classes[int(p.argmax())] == name
    assert float(p.max()) == pytest.approx(confidence, abs=0.03)


def test_classes_are_found_by_name_and_number(lite0: Classifier) -> None:
    assert lite0.classes[77] == "wolf spider"
    for text in ("wolf spider", " Wolf Spider ", "77"):
        assert lite0.index_of(text) == 77


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("wolf spidr", "no such class; did you mean 'wolf spider'"),
        ("qqqq", "no such class; give a class name or its number"),
        ("1000", "has the classes 0 to 999"),
        ("-1", "no such class"),
        ("\u00b2", "no such class"),
        ("", "no such class"),
    ],
)
def test_unknown_targets_are_errors_that_help(lite0: Classifier, target: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        lite0.index_of(target)


def test_a_name_of_several_classes_is_an_error(classifier: Classifier) -> None:
    twice = dataclasses.replace(classifier, classes=("crane", "cup", "Crane"))
    with pytest.raises(InputError, match=r"several classes have this name; give one of the numbers \[0, 2\]"):
        twice.index_of("crane")
    assert twice.index_of("2") == 2


@pytest.mark.parametrize("normalised", [False, True])
def test_a_network_of_one_s_own_is_wrapped_not_changed(normalised: bool) -> None:
    network = tiny.network().train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    made = Classifier.of(network, size=tiny.SIZE, **(tiny.NORMALISATION if normalised else {}))
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert all(torch.equal(network.state_dict()[k], v) for k, v in before.items())
    x = tiny.images(range(4))
    expected = network.eval()((x - 0.5) / 0.25 if normalised else x).detach()
    assert close(predict(made, x), expected)
    assert not made.network.training
    assert not any(p.requires_grad for p in made.network.parameters())
    assert made.classes == ("0", "1", "2", "3", "4", "5")  # numbers where no names were given


def test_a_digest_covers_weights_and_normalisation() -> None:
    made = [
        Classifier.of(tiny.network(), size=tiny.SIZE, **more).weights_sha256
        for more in ({}, tiny.NORMALISATION, tiny.NORMALISATION | {"std": (0.2,) * 3})
    ]
    assert len(set(made)) == 3
    assert made[1] == tiny.classifier().weights_sha256


def test_weights_have_one_digest_however_they_are_stored(tmp_path: Path) -> None:
    network = named(torchvision.models.squeezenet1_1, tmp_path / "a.pth")
    state = network.state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}}, tmp_path / "b.pth")
    safetensors.torch.save_file(dict(state), tmp_path / "c.safetensors")
    digests = {
        load("squeezenet1_1", weights=str(tmp_path / n)).weights_sha256 for n in ("a.pth", "b.pth", "c.safetensors")
    }
    assert len(digests) == 1
    state["classifier.1.bias"][0] += 1
    torch.save(state, tmp_path / "d.pth")
    assert load("squeezenet1_1", weights=str(tmp_path / "d.pth")).weights_sha256 not in digests


def test_half_precision_weights_are_computed_with_in_float32(tmp_path: Path) -> None:
    network = named(torchvision.models.resnet18, tmp_path / "a.pth")
    torch.save(
        {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}, tmp_path / "h.pth"
    )
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    expected = network(standardised(x)).detach()
    found = predict(load("resnet18", weights=str(tmp_path / "h.pth")), x)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=0.01 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_any_torchvision_classifier_takes_its_weights_from_a_file(tmp_path: Path, name: str) -> None:
    network = named(lambda: torchvision.models.get_model(name, weights=None), tmp_path / "w.pth")
    made = load(name, weights=str(tmp_path / "w.pth"))
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert made.size == 224
    assert made.classes[77] == "wolf spider"
    assert close(predict(made, x), network(standardised(x)).detach())


def test_a_timm_model_takes_its_weights_from_a_file(tmp_path: Path) -> None:
    network = named(lambda: timm.create_model("mobilenetv3_small_050"), tmp_path / "w.pth")
    made = load("timm:mobilenetv3_small_050", weights=str(tmp_path / "w.pth"))
    config = timm.data.resolve_model_data_config(network)
    assert made.size == config["input_size"][-1]
    x = torch.rand(2, 3, made.size, made.size, generator=torch.Generator().manual_seed(0))
    assert close(predict(made, x), network(standardised(x, config["mean"], config["std"])).detach())


def in_hub_cache(folder: Path, monkeypatch: pytest.MonkeyPatch, weights: Any) -> Path:
    """Where torch looks for a download of these weights, in an empty cache."""
    monkeypatch.setattr(torch.hub, "_hub_dir", str(folder))
    (folder / "checkpoints").mkdir()
    return folder / "checkpoints" / Path(weights.url).name


def test_inception_v3_loads_from_torch_s_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's network, as torchvision itself makes and feeds it."""
    weights = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1
    named(
        lambda: torchvision.models.inception_v3(weights=None, init_weights=False),
        in_hub_cache(tmp_path, monkeypatch, weights),
    )
    made = load("inception_v3")
    assert made.size == 299
    assert made.index_of("wolf spider") == 77
    x = torch.rand(1, 3, 299, 299, generator=torch.Generator().manual_seed(0))
    theirs = torchvision.models.inception_v3(weights=weights).eval()
    assert close(predict(made, x), theirs(standardised(x)).detach())


def test_googlenet_is_fed_as_torchvision_feeds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1
    named(
        lambda: torchvision.models.googlenet(weights=None, init_weights=False),
        in_hub_cache(tmp_path, monkeypatch, weights),
    )
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    theirs = torchvision.models.googlenet(weights=weights).eval()
    assert close(predict(load("googlenet"), x), theirs(standardised(x)).detach())


@pytest.mark.parametrize("name", ["vit_b_16", "vit_h_14"])
def test_vision_transformers_are_built_for_the_size_of_their_weights(name: str) -> None:
    made = recipe(name)
    with torch.device("meta"):
        assert made.build().image_size == made.size


@pytest.mark.parametrize("name", ["resnet18", "timm:resnet18"])
def test_weights_that_cannot_be_downloaded_are_an_error_that_helps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr("timm.models._builder.load_pretrained", offline)
    with pytest.raises(InputError, match=r"cannot be downloaded.*Network is unreachable.*--weights"):
        load(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resnet181", "--classifier resnet181: unknown; did you mean .*resnet18"),
        ("inception", "did you mean inception_v3"),
        ("qqqq", "unknown; see `wolfspider list`"),
        ("timm:resnet181", "timm has no such model; did you mean timm:resnet"),
        ("timm:qqqqqqqqqq", "timm has no such model"),
        ("fasterrcnn_resnet50_fpn", "unknown"),
    ],
)
def test_unknown_classifiers_are_errors_that_help(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        load(name)


def test_untrained_networks_are_always_the_same_and_draw_from_nobody() -> None:
    state = torch.get_rng_state()
    one, same = (load("squeezenet1_1", untrained=True) for _ in range(2))
    assert one.weights_sha256 == same.weights_sha256
    assert torch.equal(torch.get_rng_state(), state)


def test_every_registered_classifier_has_a_recipe() -> None:
    assert set(classifiers.CLASSIFIERS) == {*(f"efficientnet_lite{i}" for i in range(3)), "inception_v3"}
    for name in classifiers.CLASSIFIERS:
        assert len(recipe(name).mean) == len(recipe(name).std) == 3
        assert np.all(np.array(recipe(name).std) > 0)


def test_random_weights_tell_images_apart_through_a_head_of_zeros() -> None:
    head = nn.Linear(12, 4)
    nn.init.zeros_(head.weight)
    body = partial(nn.Sequential, nn.AdaptiveAvgPool2d(2), nn.Flatten(), head)
    made = classifiers.Recipe(body, lambda _: {}, 8, (0.5,) * 3, (0.5,) * 3)
    one, other = made.network(None, untrained=True)(torch.rand(2, 3, 8, 8))
    assert (one - other).abs().max() > 0.01
