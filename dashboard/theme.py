"""How things look and what they are called: colours, display names, measures and their formulas."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.reporting.statistics import Estimate

_FIXED = {"saliency": "#D55E00", "guided_backprop": "#0072B2", "lime": "#009E73", "random": "#8C8C8C"}
_OTHERS = (
    *("#C05A8E", "#B27300", "#2E8BC0", "#8F6BD1", "#5B7F1E", "#0E8A8A"),
    *("#C0392B", "#8A6D3B", "#4C7DD9", "#A855B5", "#7B8B00", "#D1495B"),
)
"""Each with a contrast of at least 3 to 1 to the light and to the dark background."""
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
    "oracle@superpixels": "Oracle: best superpixels",
    "texture": "Texture detector",
    "edges": "Edges",
    "centre": "Centre",
}
SYMBOLS = {"": "circle", "smooth": "square", "superpixels": "diamond", "superpixels-sum": "triangle-up"}
"""Markers of Plotly by presentation: an explainer's methods share its colour."""
DASHES = ("solid", "dash", "dot", "dashdot")
_PRESENTED = {"smooth": "smoothed", "superpixels": "by superpixels", "superpixels-sum": "summed by superpixels"}
ACCENT = "#6A5ACD"
"""The one accent colour, that of the buttons and links (.streamlit/config.toml)."""
NEUTRAL = "#8C8C8C"
INK = "#1D1D26"
"""Text on white (.streamlit/config.toml), as in files."""
CONFIG: dict[str, Any] = {"displayModeBar": False}
"""Plotly's: figures are taken by the menu below them."""


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


@dataclass(frozen=True)
class Column:
    """A measure of the board: its name, and the title of its axis."""

    name: str
    axis: str


BOARD = {
    "mean_jaccard": Column("mean Jaccard index", "Mean Jaccard index (0-1)"),
    "mean_rank_jaccard": Column("mean rank", "Mean rank by Jaccard index (1 is best)"),
    "auroc": Column("AUROC", "AUROC of the ranking (0-1, 0.5 is chance)"),
    "average_precision": Column("average precision", "Average precision of the ranking (0-1)"),
    "specificity_class": Column("above the own class's", "Mean Jaccard index above<br>that for the photo's own class"),
    "specificity_photo": Column("above the photo's", "Mean Jaccard index above<br>that of the unattacked photo"),
    "restored": Column("attacks undone", "Share of attacks undone by restoring<br>the first explanation (0-1)"),
}
"""By the measure of compute/reporting/statistics.py."""
MEAN_RANK_HELP = (
    "Within every case and explanation size n = 1 … 20 the explainers are ranked, 1 is best; ties share their average "
    "rank. The mean is over all cases and sizes."
)
N_HELP = (
    "n: the explanation is the union of the n most influential superpixels, or as many pixels for pixel explainers."
)


def explainer_name(name: str) -> str:
    """The name of an explainer, or of a method, for people."""
    if presentation := presentation_of(name):
        return f"{explainer_name(explainer_of(name))}, {_PRESENTED[presentation]}"
    plain = name.replace("_", " ")
    return _NAMES.get(name, plain[:1].upper() + plain[1:])


def distinct(ranks: Mapping[str, Mapping[str, Estimate]]) -> list[str]:
    """The measures by which mean ranks differ: by explanations of equal size, Jaccard and Hamming rank alike."""
    same = all(found["mean_rank_jaccard"] == found["mean_rank_hamming"] for found in ranks.values())
    return ["jaccard"] if same else list(MEASURES)


def presentation_of(name: str) -> str:
    """The presentation in a method's name; "" where it has none."""
    explainer, _, presentation = name.rpartition("@")
    return presentation if explainer and presentation in _PRESENTED and name not in _NAMES else ""


def explainer_of(name: str) -> str:
    """The explainer whose map a method reads."""
    presentation = presentation_of(name)
    return name.removesuffix(f"@{presentation}") if presentation else name


def colours(explainers: Sequence[str]) -> dict[str, str]:
    """A colour for each method, that of its explainer: known ones fixed, others by a hash of their name.

    Where two would clash, the later one takes the colour that is rarest so far.
    """
    bases = {explainer_of(name) for name in explainers}
    found = {name: _FIXED[name] for name in bases if name in _FIXED}
    for name in sorted(bases - set(found)):
        start = hashlib.sha256(name.encode()).digest()[0]
        ring = [_OTHERS[(start + i) % len(_OTHERS)] for i in range(len(_OTHERS))]
        used = list(found.values())
        found[name] = min(ring, key=used.count)
    return {name: found[explainer_of(name)] for name in explainers}


def dashes(explainers: Sequence[str]) -> dict[str, str]:
    """A dash of Plotly for each method, so that lines of one colour can be told apart."""
    colour = colours(explainers)
    before = {name: [colour[other] for other in explainers[:place]] for place, name in enumerate(explainers)}
    return {name: DASHES[before[name].count(colour[name]) % len(DASHES)] for name in explainers}


def fade(colour: str, alpha: float) -> str:
    """A #RRGGBB colour as rgba() with the given opacity 0..1."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha:g})"
