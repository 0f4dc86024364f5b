"""How things look and what they are called: colours, display names, measures and their formulas."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_FIXED = {"saliency": "#D55E00", "guided_backprop": "#0072B2", "lime": "#009E73", "random": "#8C8C8C"}
_OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#8F6BD1", "#A6761D", "#B2182B")
_NAMES = {
    "saliency": "Classic saliency",
    "guided_backprop": "Guided backprop",
    "guided_backprop_hooks": "Guided backprop by hooks",
    "input_x_gradient": "Input x gradient",
    "smoothgrad": "SmoothGrad",
    "vargrad": "VarGrad",
    "gradient_shap": "GradientSHAP",
    "deep_lift": "DeepLIFT",
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "guided_grad_cam": "Guided Grad-CAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
    "eigen_cam": "EigenCAM",
    "score_cam": "Score-CAM",
    "lime": "LIME",
    "lime@clean": "LIME, the photo's superpixels",
    "lime@grid": "LIME on a grid",
    "lime_paired": "LIME, paired draws",
    "glime": "GLIME",
    "kernel_shap": "KernelSHAP",
    "rise": "RISE",
    "random": "Random baseline",
    "random@superpixels": "Random superpixels",
}
_PRESENTED = {"smooth": "smoothed", "superpixels": "by superpixels", "superpixels-sum": "summed by superpixels"}
ACCENT = "#6A5ACD"
"""The one accent colour, that of the buttons and links (.streamlit/config.toml)."""
NEUTRAL = "#8C8C8C"
BUTTONS: dict[str, Any] = {
    "displaylogo": False,
    "modeBarButtons": [["toImage"]],
    "toImageButtonOptions": {"format": "svg", "filename": "wolfspider"},
}
"""Plotly's `config`: only the button that saves the figure, as a vector graphic."""


@dataclass(frozen=True)
class Measure:
    """A measure of agreement between an explanation and the attacked region."""

    name: str
    short: str
    formula: str
    help: str


MEASURES = {
    "jaccard": Measure(
        "Jaccard index",
        "Jaccard",
        "J = |P ∩ C| / |P ∪ C|",  # noqa: RUF001
        "How well the explanation's pixels P cover the attacked region C: J = |P ∩ C| / |P ∪ C|. "  # noqa: RUF001
        "1 is a perfect match, 0 no overlap.",
    ),
    "hamming": Measure(
        "Hamming likeness",
        "Hamming",
        "H = 1 - |P △ C| / N",
        "Share of the image's N pixels on which explanation P and attacked region C agree: H = 1 - |P △ C| / N. "
        "1 is a perfect match. For small regions it is high even for small or empty explanations.",
    ),
}
MEAN_RANK_HELP = (
    "Within every case and explanation size n = 1 … 20 the explainers are ranked, 1 is best; ties share their average "
    "rank. The mean is over all cases and sizes."
)
N_HELP = (
    "n: the explanation is the union of the n most influential superpixels, or as many pixels for pixel explainers."
)


def explainer_name(name: str) -> str:
    """The name of an explainer, or of a method, for people."""
    explainer, _, presentation = name.rpartition("@")
    if explainer and presentation in _PRESENTED and name not in _NAMES:
        return f"{explainer_name(explainer)}, {_PRESENTED[presentation]}"
    plain = name.replace("_", " ")
    return _NAMES.get(name, plain[:1].upper() + plain[1:])


def colours(explainers: Sequence[str]) -> dict[str, str]:
    """A colour for each explainer: known ones fixed, others by a hash of their name, moved on where two would clash."""
    found = {name: _FIXED[name] for name in explainers if name in _FIXED}
    for name in sorted(set(explainers) - set(found)):
        start = hashlib.sha256(name.encode()).digest()[0]
        ring = [_OTHERS[(start + i) % len(_OTHERS)] for i in range(len(_OTHERS))]
        found[name] = next((c for c in ring if c not in found.values()), ring[0])
    return {name: found[name] for name in explainers}


def fade(colour: str, alpha: float) -> str:
    """A #RRGGBB colour as rgba() with the given opacity 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
