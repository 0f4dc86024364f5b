"""Methods: an explainer and the form in which its map is read.

A presentation costs no pass of the network, so a map is computed once however many presentations read it. Pixel maps
scored pixel by pixel are scored in the form that suits them worst, since regions are contiguous.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from compute.errors import InputError
from compute.explainers import EXPLAINERS, Explainer, Explanation, Superpixels, resolve

Segments = npt.NDArray[np.integer]
Map = npt.NDArray[np.float64]
Present = Callable[[Map, Any, float], Map | Superpixels]
"""From a map, the image's superpixels, and the Gaussian's sigma in pixels at a side of 224."""


def smooth(values: Map, segments: Segments | None, sigma: float) -> Map:
    """The map behind a Gaussian."""
    del segments
    return np.asarray(gaussian_filter(values, sigma * values.shape[0] / 224))


def by_mean(values: Map, segments: Segments, sigma: float) -> Superpixels:
    """Superpixels by the mean of their values."""
    del sigma
    totals, pixels = _totals(values, segments)
    return _ranked(segments, totals / np.maximum(pixels, 1))


def by_sum(values: Map, segments: Segments, sigma: float) -> Superpixels:
    """Superpixels by the sum of their values."""
    del sigma
    return _ranked(segments, _totals(values, segments)[0])


PRESENTATIONS: dict[str, Present] = {"smooth": smooth, "superpixels": by_mean, "superpixels-sum": by_sum}

FINE = (
    *("saliency", "guided_backprop", "guided_backprop_hooks", "deconvolution", "input_x_gradient", "guided_grad_cam"),
    *("integrated_gradients", "gradient_shap", "deep_lift", "smoothgrad", "vargrad"),
)
"""Explainers whose maps change from pixel to pixel, so that it matters how they are read."""
ALL = "all"
"""Stands for every registered explainer, and the presentations that are fair to fine maps."""


@dataclass(frozen=True)
class Method:
    """An explainer, and the presentation in which its map is read; "" is the map as it is."""

    explainer: Explainer
    presentation: str = ""

    @property
    def name(self) -> str:
        """EXPLAINER or EXPLAINER@PRESENTATION."""
        return f"{self.explainer.name}@{self.presentation}" if self.presentation else self.explainer.name

    @property
    def needs_superpixels(self) -> bool:
        """Whether its presentation reads superpixels of the image."""
        return self.presentation.startswith("superpixels")

    def record(self) -> dict[str, str | bool]:
        """What a run remembers of it; a baseline's presentations are baselines."""
        explainer = self.explainer
        about = {"explainer": explainer.name, "presentation": self.presentation, "code": explainer.code}
        return {"name": self.name, "baseline": explainer.baseline, **about}

    def present(self, found: Explanation, segments: Segments | None, sigma: float) -> Map | Superpixels:
        """What the explainer returned, as this method reads it.

        Args:
            found: as the explainer returned it.
            segments: (H, W) superpixels of the image, where the presentation needs them.
            sigma: of the Gaussian, pixels at a side of 224.

        Raises:
            ValueError: the presentation does not fit the explanation.
        """
        if not self.presentation:
            return found if isinstance(found, Superpixels) else np.asarray(found, dtype=np.float64)
        if isinstance(found, Superpixels):
            if self.needs_superpixels:
                raise ValueError(f"@{self.presentation} does not fit: the explanation is in superpixels already")
            if found.map is None:
                raise ValueError(f"@{self.presentation} does not fit: these superpixels have an order, but no values")
            found = found.map
        return PRESENTATIONS[self.presentation](np.asarray(found, dtype=np.float64), segments, sigma)


def methods(names: Sequence[str]) -> list[Method]:
    """Methods by name: registered explainers, `MODULE:NAME`, `captum:NAME`, each with a presentation after an @; `ALL`.

    Raises:
        InputError: an unknown explainer or presentation, or a name given twice.
    """
    names = [each for name in names for each in (everything() if name == ALL else [name])]
    split = [(name, "") if name in EXPLAINERS or "@" not in name else _split(name) for name in names]
    asked = list(dict.fromkeys(explainer for explainer, _ in split))
    explainers = dict(zip(asked, resolve(asked), strict=True))
    found = [Method(explainers[explainer], presentation) for explainer, presentation in split]
    if len({m.name for m in found}) < len(found):
        raise InputError(f"--explainers {','.join(names)}: a name stands twice")
    return found


def everything() -> list[str]:
    """Every registered explainer; fine maps also smoothed, and those of the paper by superpixels."""
    smoothed = [f"{name}@smooth" for name in FINE]
    return [*EXPLAINERS, *smoothed, "saliency@superpixels", "guided_backprop@superpixels"]


def _split(name: str) -> tuple[str, str]:
    explainer, _, presentation = name.rpartition("@")
    if presentation not in PRESENTATIONS:
        known = ", ".join(f"@{p}" for p in PRESENTATIONS)
        raise InputError(f"--explainers {name}: no presentation @{presentation}; known are {known}")
    return explainer, presentation


def _totals(values: Map, segments: Segments) -> tuple[npt.NDArray[Any], Map]:
    flat = segments.ravel()
    return np.asarray(np.bincount(flat, weights=values.ravel())), np.bincount(flat).astype(np.float64)


def _ranked(segments: Segments, values: Map) -> Superpixels:
    """All superpixels, best first: a map's values have no zero that tells for from against, as LIME's weights do."""
    return Superpixels(segments, np.argsort(-values, kind="stable").tolist(), {}, values)
