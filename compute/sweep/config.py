"""One frozen configuration: every option of a sweep, from defaults, a profile, a TOML file and the command line.

The model below is the one place where an option's type, bounds, default and description are written down; the command
line is made from it (compute/options.py).
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from compute.errors import InputError

_PAPER = ("saliency", "guided_backprop", "lime", "random")
_FAIR = (*_PAPER, "saliency@smooth", "guided_backprop@smooth", "guided_backprop@superpixels", "texture")
PROFILES: dict[str, dict[str, Any]] = {
    "quick": {"regions": 4, "lime_samples": 500, "explainers": _FAIR},
    "paper": {"regions": 10, "lime_samples": 1000, "explainers": _PAPER, "controls": "none", "causal": "none"},
    "board": {"regions": 3, "lime_samples": 1000, "seeds": 2, "explainers": ("all",)},
}
"""`quick` takes minutes on two cores; `paper` is the paper's experiment at its size; `board` is everything."""
ATTACKS: dict[str, dict[str, Any]] = {
    "argmax": {"step": 4, "iterations": 150, "budget": 255, "confidence": 0.0},
    "confident": {"step": 2, "iterations": 400, "budget": 255, "confidence": 0.9},
    "authors": {"step": 1, "iterations": 1000, "patience": 1000, "budget": 255, "confidence": 0.99},
    "stealthy": {"step": 1, "iterations": 400, "budget": 16, "confidence": 0.0},
    "momentum": {"algorithm": "momentum", "step": 2, "iterations": 400, "budget": 255, "confidence": 0.9},
    "smallest": {"algorithm": "smallest", "step": 2, "iterations": 400, "budget": 255, "confidence": 0.9},
}
"""`argmax` stops when the target wins, `confident` when its probability is 0.9. `authors` is what the paper's first
author published for a sister paper (arXiv 1902.09286); `stealthy` changes no channel by more than 16/255; `momentum`
and `smallest` are `confident` by another algorithm."""

INPUT, ATTACK, EXPLAIN, RUN = "What is attacked", "How it is attacked", "How it is explained", "How it runs"
"""Panels of the command's help."""


def _option(default: Any, doc: str, panel: str, **bounds: Any) -> Any:
    return Field(default, description=doc, json_schema_extra={"panel": panel}, **bounds)


def _whole(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("must be a text that is not empty, without NUL bytes")
    return text


def _split(value: Any) -> Any:
    """Names one by one, or several in a text with commas."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, (list, tuple)) or not all(isinstance(v, str) for v in given):
        return value
    return tuple(name for some in given for name in map(str.strip, some.split(",")) if name)


Text = Annotated[str, AfterValidator(_whole)]


class Config(BaseModel):
    """Everything that decides what a sweep computes; InputError names the option whose value cannot be."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    photos: Annotated[tuple[Text, ...], Field(strict=False)] = _option(
        (), "A folder, a file or a URL; may be given again. Without any, the bundled photos.", INPUT
    )
    classifier: Text = _option(
        "efficientnet_lite0", "A registered or torchvision name (inception_v3, ...), or timm:NAME.", INPUT
    )
    weights: Text | None = _option(None, "File of a state dict, instead of the classifier's own weights.", INPUT)
    regions: int = _option(10, "Largest segments to attack per photo.", INPUT, ge=1, le=99)
    scale: float = _option(100.0, "Felzenszwalb's scale: larger gives larger segments.", INPUT, ge=0, le=1e6)
    sigma: float = _option(0.8, "Width of Felzenszwalb's smoothing, pixels.", INPUT, ge=0, le=100)
    min_size: int = _option(100, "Felzenszwalb's smallest segment, pixels.", INPUT, ge=1, le=1_000_000)
    target: Text = _option("wolf spider", "Class to aim at, by name or index; random draws one for each photo.", ATTACK)
    algorithm: Text = _option("bim", "How an attack moves on; `wolfspider list` names them.", ATTACK)
    step: int = _option(2, "Step in 1/255: every iterate is an 8-bit image.", ATTACK, ge=1, le=255)
    iterations: int = _option(400, "Steps after which an attempt is given up.", ATTACK, ge=1, le=100_000)
    patience: int = _option(
        20,
        "Steps within which the target's log-probability must rise, or the attempt is given up.",
        ATTACK,
        ge=1,
        le=100_000,
    )
    progress: float = _option(0.1, "By how much it must rise within --patience steps, in nats.", ATTACK, ge=0, le=100)
    budget: int = _option(255, "Largest change of a channel, in 1/255; 255 is no limit.", ATTACK, ge=1, le=255)
    confidence: float = _option(
        0.9, "Softmax probability that the target must reach, besides being predicted.", ATTACK, ge=0, le=1
    )
    explainers: Annotated[tuple[Text, ...], BeforeValidator(_split)] = _option(
        _PAPER,
        "Names with commas between; your own is MODULE:NAME, a function of a Task; all are those of `wolfspider list`.",
        EXPLAIN,
    )
    lime_samples: int = _option(1000, "Perturbed images per LIME explanation.", EXPLAIN, ge=10, le=1_000_000)
    smooth: float = _option(
        8.0, "Sigma of the presentation @smooth, in pixels of an image of 224.", EXPLAIN, ge=0.1, le=112
    )
    causal: Literal["all", "none"] = _option(
        "all", "Whether explanations are checked: the photo's own pixels pasted back, the attacked ones alone.", EXPLAIN
    )
    controls: Literal["none", "class", "photo", "all"] = _option(
        "all", "What else explainers are asked: the photo's own class, the photo before the attack.", EXPLAIN
    )
    time_limit: float = _option(
        0.0, "Seconds after which an explainer of your own has failed on a case; 0 is none.", EXPLAIN, ge=0, le=1e6
    )
    keep: Literal["images", "entries", "none"] = _option(
        "images", "What the store keeps of images: all; the regions and explanations alone; or nothing.", RUN
    )
    seeds: int = _option(
        1, "Seeds by which explainers that draw are asked; the spread over them is reported.", EXPLAIN, ge=1, le=99
    )
    seed: int = _option(0, "Seed of all randomness.", RUN, ge=0, le=2**32 - 1)
    batch: int = _option(0, "Images per pass; 0 chooses by the kind of device.", RUN, ge=0, le=65_536)
    group: int = _option(
        0, "Photos whose attacks share batches; 0 chooses by the kind of device.", RUN, ge=0, le=65_536
    )
    engine: Literal["auto", "eager", "compiled", "onnxruntime"] = _option(
        "auto", "What runs passes without gradients (LIME's); auto takes the fastest that so much work repays.", RUN
    )
    precision: Literal["float32", "bfloat16", "float16"] = _option("float32", "Number format of LIME's passes.", RUN)
    device: Text = _option("auto", "auto, cpu, cuda or cuda:N.", RUN)
    out: Text = _option("data/store", "Folder of the store, or its URL in a bucket.", RUN)

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(given)
        except ValidationError as error:
            raise InputError(_words(error.errors()[0])) from error

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.engine == "onnxruntime" and self.precision != "float32":
            raise InputError(f"--precision {self.precision}: the engine onnxruntime knows only float32")
        if not self.explainers:
            raise InputError("--explainers: name at least one; see `wolfspider list`")
        return self

    def but(self, **changes: Any) -> "Config":
        """A copy with some fields changed."""
        return Config(**{**dict(self), **changes})

    def science(self) -> dict[str, Any]:
        """The fields that decide the results.

        Where photos lie, and where results go, does not, nor which images a store keeps. A time limit decides who
        fails, by the speed of the machine: a sweep that hangs can be stopped, and go on with one.
        """
        return self.model_dump(exclude={"photos", "device", "out", "weights", "time_limit", "keep"})


def option(name: str) -> str:
    """The command-line option of a field."""
    return "--" + name.replace("_", "-")


def choices(name: str) -> tuple[str, ...]:
    """The values that a field knows; none where it is free."""
    kind = Config.model_fields[name].annotation
    return get_args(kind) if get_origin(kind) is Literal else ()


def configure(
    *,
    profile: str | None = None,
    attack: str | None = None,
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Config:
    """A configuration: defaults, then the profile, the attack, the TOML file, and the options given.

    Raises:
        InputError: an unknown profile, attack or field, a file that is not TOML, a value of a wrong type or range.
    """
    values: dict[str, Any] = {}
    for name, chosen, known in (("profile", profile, PROFILES), ("attack", attack, ATTACKS)):
        if chosen is not None and chosen not in known:
            raise InputError(f"--{name} {chosen}: unknown; known are {', '.join(known)}")
        values |= known[chosen] if chosen else {}
    if file is not None:
        values |= _read_toml(file)
    return Config(**values | dict(options or {}))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():  # a pipe would be waited for
            raise InputError("no such file")
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        Config(**values)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"--config {path}: not a readable TOML file ({error})") from error
    except InputError as error:
        raise InputError(f"--config {path}: {error}") from error
    return values


_EXPECTED = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text",
    "string_unicode": "must be UTF-8",
    "tuple_type": "must be a list of texts",
}


def _words(error: ErrorDetails) -> str:
    """What is wrong with a field, in one line."""
    name, value = str(error["loc"][0]), error["input"]
    if error["type"] == "extra_forbidden":
        return f"no option {name!r}; known are {', '.join(Config.model_fields)}"
    bounds = {k: getattr(m, k) for m in Config.model_fields[name].metadata for k in ("ge", "le") if hasattr(m, k)}
    if error["type"] in ("greater_than_equal", "less_than_equal"):
        return f"{option(name)} {value}: must lie between {bounds['ge']:g} and {bounds['le']:g}"
    if error["type"] == "literal_error":
        return f"{option(name)} {value!r}: must be one of {', '.join(choices(name))}"
    said = error["msg"].removeprefix("Value error, ")
    return f"{option(name)} {value!r}: {_EXPECTED.get(error['type'], said)}"


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-able mapping, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=list).encode()).hexdigest()
