"""One frozen configuration: every option of a sweep, from defaults, a profile, a TOML file and the command line."""

import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from compute.errors import InputError

PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"regions": 4, "lime_samples": 500},
    "paper": {"regions": 10, "lime_samples": 1000},
}
"""`quick` takes minutes on two cores; `paper` is the size of the paper's experiment."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what a sweep computes.

    Attributes:
        photos: files and folders; none means the bundled photos.
        classifier: a registered or torchvision name, or timm:NAME.
        weights: a state dict to use instead of the classifier's own weights.
        target: class that the attacks aim at, by name or index.
        explainers: registered names, or MODULE:NAME.
        regions: how many of the largest segments of a photo are attacked.
        scale: Felzenszwalb's scale: larger gives larger segments.
        sigma: width of the Gaussian that smooths before segmentation, pixels.
        min_size: smallest segment, pixels.
        step: size of a BIM step, in 1/255: every iterate is an 8-bit image.
        iterations: BIM steps after which an attempt is discarded.
        patience: steps within which the target's log-probability must rise by `progress`, or the attempt is discarded.
        progress: that rise, in nats.
        budget: largest change of a channel, in 1/255; 255 is none.
        confidence: softmax probability that the target must reach, besides being the predicted class.
        lime_samples: perturbed images per LIME explanation.
        seed: of all randomness.
        batch: images per pass; 0 chooses by the kind of device.
        group: photos whose attempts share batches; 0 chooses by the kind of device.
        engine: of passes without gradients: eager, compiled, onnxruntime (on a CPU), or auto, which takes the fastest
            where the amount of work repays making it.
        precision: of LIME's forward passes: float32, or bfloat16 or float16 under autocast.
        device: auto, cpu, cuda or cuda:N.
        out: folder of the store.
    """

    photos: tuple[str, ...] = ()
    classifier: str = "efficientnet_lite0"
    weights: str | None = None
    target: str = "wolf spider"
    explainers: tuple[str, ...] = ("saliency", "guided_backprop", "lime", "random")
    regions: int = 10
    scale: float = 100.0
    sigma: float = 0.8
    min_size: int = 100
    step: int = 4
    iterations: int = 150
    patience: int = 20
    progress: float = 0.1
    budget: int = 255
    confidence: float = 0.0
    lime_samples: int = 1000
    seed: int = 0
    batch: int = 0
    group: int = 0
    engine: str = "auto"
    precision: str = "float32"
    device: str = "auto"
    out: str = "data/store"

    def __post_init__(self) -> None:
        """Check every value; InputError names the option at fault."""
        bounds: dict[str, tuple[float, float]] = {
            "regions": (1, 99),
            "scale": (0, 1e6),
            "sigma": (0, 100),
            "min_size": (1, 1e6),
            "step": (1, 255),
            "iterations": (1, 100_000),
            "patience": (1, 100_000),
            "progress": (0, 100),
            "budget": (1, 255),
            "confidence": (0, 1),
            "lime_samples": (10, 1_000_000),
            "seed": (0, 2**32 - 1),
            "batch": (0, 65_536),
            "group": (0, 65_536),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{option(name)} {getattr(self, name)}: must lie between {low:g} and {high:g}")
        choices = {
            "engine": ("auto", "eager", "compiled", "onnxruntime"),
            "precision": ("float32", "bfloat16", "float16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise InputError(f"{option(name)} {getattr(self, name)!r}: must be one of {', '.join(known)}")
        if self.engine == "onnxruntime" and self.precision != "float32":
            raise InputError(f"--precision {self.precision}: the engine onnxruntime knows only float32")
        if not self.explainers:
            raise InputError("--explainers: name at least one; see `wolfspider list`")

    def science(self) -> dict[str, Any]:
        """The fields that decide the results; where photos lie, and where results go, does not."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in {"photos", "device", "out", "weights"}}


def option(name: str) -> str:
    """The command-line option of a field."""
    return "--" + name.replace("_", "-")


def configure(
    *, profile: str | None = None, file: Path | None = None, options: Mapping[str, Any] | None = None
) -> Config:
    """A configuration: defaults, then the profile, then the TOML file, then the options given.

    Raises:
        InputError: an unknown profile or field, a file that is not TOML, a value of a wrong type or out of range.
    """
    if profile is not None and profile not in PROFILES:
        raise InputError(f"--profile {profile}: unknown; known are {', '.join(PROFILES)}")
    values: dict[str, Any] = dict(PROFILES[profile]) if profile else {}
    if file is not None:
        values |= _read_toml(file)
    values |= dict(options or {})
    fields_: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return Config(**fields_)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"--config {path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"--config {path}: not a readable TOML file ({error})") from error
    types = get_type_hints(Config)
    for name, value in values.items():
        if name not in types:
            raise InputError(
                f"--config {path}: no option {name!r}; known are {', '.join(f.name for f in fields(Config))}"
            )
        wanted = get_args(types[name]) or (types[name],)
        listed = isinstance(value, list) and types[name] == tuple[str, ...] and all(isinstance(v, str) for v in value)
        plain = isinstance(value, tuple(t for t in wanted if isinstance(t, type))) and not isinstance(value, bool)
        whole = isinstance(value, int) and not isinstance(value, bool) and types[name] is float
        if not (listed or whole or (plain and types[name] != tuple[str, ...])):
            raise InputError(
                f"--config {path}: {name} = {value!r}: expected {getattr(types[name], '__name__', types[name])}"
            )
    return values


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-able mapping, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()
