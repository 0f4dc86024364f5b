"""What an explainer is given, what it returns, and how one is found by name."""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from compute.errors import InputError, in_words
from compute.explainers.guard import importing
from compute.networks.classifier import place_of
from compute.store.schema import N_SIZES

Priorities = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Task:
    """One prediction to explain.

    Attributes:
        network: (B, 3, H, W) float32 RGB in [0, 1] to (B, classes) logits; frozen, in eval mode. On a CPU, the last
            bits of small batches depend on the number of threads: see `compute.networks.threads`.
        rgb: (H, W, 3) uint8, the image whose prediction is to be explained; read-only in a sweep.
        target: index of the predicted class.
        seed: derived from the sweep's seed, the case and the explainer; all randomness must come from it.
        lime_samples: number of perturbed images for LIME.
        probabilities: (B, 3, H, W) to (B, classes) softmax probabilities without gradients, on the fastest path; the
            same bits for any number of threads.
        batch: images per forward pass for explainers that need many.
        exclusive: held while the network runs, so that explainers of several cases can overlap on their other work.
        prepared: what the explainer's `prepare` returned, in another thread; None without one.
        photo: (H, W, 3) uint8, the photo before the attack; `lime@clean` takes its superpixels.
        memory: answers of the network about this image, by name, (images, classes): shared by tasks about it.
        region: (H, W) bool, what was attacked: for the oracle, which is a ceiling; None for all others.
    """

    network: nn.Module
    rgb: npt.NDArray[np.uint8]
    target: int
    seed: int
    probabilities: Callable[[Tensor], Tensor]
    lime_samples: int = 1000
    batch: int = 16
    exclusive: AbstractContextManager[Any] = field(default_factory=nullcontext)
    prepared: Any = None
    photo: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 3), np.uint8))
    memory: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    region: npt.NDArray[np.bool_] | None = None

    @property
    def device(self) -> torch.device:
        """Where the network lives."""
        return place_of(self.network)

    @property
    def image(self) -> Tensor:
        """(1, 3, H, W) float32 in [0, 1] on the network's device: a new tensor each time."""
        tensor = torch.tensor(self.rgb, device=self.device).permute(2, 0, 1)[None]
        return tensor.float().contiguous().div_(255)

    @property
    def rng(self) -> np.random.Generator:
        """A generator from the seed, at its beginning."""
        return np.random.default_rng(self.seed)

    @contextmanager
    def seeded(self) -> Iterator[None]:
        """Within it, the global generators of torch and NumPy start from the seed; after it they go on as before."""
        before = np.random.get_state()
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            np.random.seed(self.seed)
            try:
                yield
            finally:
                np.random.set_state(before)


@dataclass(frozen=True)
class Superpixels:
    """An explanation in superpixels.

    Attributes:
        segments: (H, W) integer labels.
        ranked: labels that speak for the prediction, best first.
        diagnostics: the explainer's own figures; stored as JSON.
        values: (labels,) signed values by label, where the explainer has them.
    """

    segments: npt.NDArray[np.integer]
    ranked: Sequence[int]
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    values: npt.NDArray[np.floating] | None = None

    @classmethod
    def weighted(
        cls, segments: npt.NDArray[np.integer], values: npt.NDArray[np.floating], **diagnostics: Any
    ) -> "Superpixels":
        """Superpixels by signed values, (labels,), one for each label from 0; only positive ones are ranked."""
        order = np.argsort(-values, kind="stable")
        ranked = [int(label) for label in order if values[label] > 0]
        weights = [round(float(values[label]), 6) for label in ranked[:N_SIZES]]
        told = {"superpixels": len(values), "positive": len(ranked), **diagnostics, "weights": weights}
        return cls(segments, ranked, told, values)

    @property
    def map(self) -> npt.NDArray[np.float64] | None:
        """(H, W): every pixel with the value of its superpixel, where there are values."""
        return None if self.values is None else np.asarray(self.values, dtype=np.float64)[self.segments]


Explanation = Priorities | Superpixels
Explain = Callable[[Task], Explanation]


@dataclass(frozen=True)
class Explainer:
    """A named explainer.

    Attributes:
        name: as in the store.
        explain: from a `Task` to an explanation.
        baseline: scored, but not ranked.
        prepare: from the image, (H, W, 3) uint8, to `Task.prepared`; runs beforehand in another thread, without torch.
        code: SHA-256 of the file of an explainer from outside.
        outside: not ours, so that a `Guard` is around it.
        draws: its answers follow from the seed, so that other seeds say how much.
        samples: it looks at about `lime_samples` images without gradients.
        oracle: it is told the answer.
    """

    name: str
    explain: Explain
    baseline: bool = False
    prepare: Callable[[npt.NDArray[np.uint8]], Any] | None = None
    code: str = ""
    outside: bool = False
    draws: bool = False
    samples: bool = False
    oracle: bool = False


EXPLAINERS: dict[str, Explainer] = {}
PREFIXES: dict[str, Callable[[str], Explainer]] = {}
"""What makes an explainer of a name that begins so."""


def register(
    name: str,
    *,
    baseline: bool = False,
    prepare: Callable[[npt.NDArray[np.uint8]], Any] | None = None,
    draws: bool = False,
    samples: bool = False,
    oracle: bool = False,
) -> Callable[[Explain], Explain]:
    """Register a function of a `Task` as an explainer; see `Explainer`. What takes samples draws them."""

    def add(explain: Explain) -> Explain:
        EXPLAINERS[name] = Explainer(
            name, explain, baseline, prepare, draws=draws or samples, samples=samples, oracle=oracle
        )
        return explain

    return add


def resolve(names: Sequence[str]) -> list[Explainer]:
    """Explainers by registered name, as `captum:NAME`, or as `MODULE:NAME`: a function of a task, or a plain class.

    Raises:
        InputError: an unknown name, a module that does not import, a name given twice, or none at all.
    """
    found = [EXPLAINERS[name] if name in EXPLAINERS else _made(name) for name in names]
    known = [explainer.name for explainer in found]
    if not found or len(set(known)) < len(known):
        raise InputError(f"--explainers {','.join(names)}: {'a name stands twice' if found else 'name at least one'}")
    return found


def _made(name: str) -> Explainer:
    return next((make(name) for prefix, make in PREFIXES.items() if name.startswith(prefix)), None) or _outside(name)


def _outside(name: str) -> Explainer:
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise InputError(f"--explainers {name}: unknown; known are {', '.join(EXPLAINERS)}, your own is MODULE:NAME")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with importing(name):
            thing = getattr(importlib.import_module(module), attribute)
            explain = thing() if inspect.isclass(thing) else thing
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's module may raise anything, and exit
        raise InputError(f"--explainers {name}: cannot be imported ({in_words(error)})") from error
    if not callable(explain):
        raise InputError(f"--explainers {name}: not a function of a task, nor a class whose instances are")
    if attribute in EXPLAINERS:
        raise InputError(f"--explainers {name}: {attribute} is the name of an explainer of ours; rename yours")
    source = getattr(sys.modules[module], "__file__", None)
    code = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""
    return Explainer(attribute, explain, code=code, outside=True, draws=True)


def seed_of(*parts: object) -> int:
    """A 32-bit seed from a hash of its parts: no draw depends on order, batch, worker or resumption."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:4], "big")
