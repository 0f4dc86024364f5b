"""What the manifest's keys are called, and the command that makes such a store again."""

from collections.abc import Mapping
from typing import Any

from dashboard.text import shell, visible
from dashboard.theme import explainer_name

_LABELS = {
    "classifier": "Classifier",
    "target": "Target class",
    "explainers": "Explainers",
    "regions": "Regions a photo, at most",
    "scale": "Segmentation: scale",
    "sigma": "Segmentation: smoothing, pixels",
    "min_size": "Segmentation: smallest segment, pixels",
    "algorithm": "Attack: algorithm",
    "step": "Attack: step, 1/255",
    "iterations": "Attack: steps at most",
    "patience": "Attack: patience, steps",
    "progress": "Attack: progress asked, nats",
    "budget": "Attack: largest change, 1/255",
    "confidence": "Attack: confidence asked",
    "lime_samples": "LIME: perturbed images",
    "smooth": "Smoothed maps: sigma, pixels at 224",
    "causal": "Causal checks",
    "controls": "Controls",
    "seed": "Seed",
    "batch": "Images a pass",
    "group": "Photos whose attacks share batches",
    "engine": "Engine",
    "precision": "Precision of LIME's passes",
    "weights_sha256": "SHA-256 of the weights",
    "device": "Device",
    "kind": "Kind",
    "name": "Name",
    "cores": "Cores",
    "threads": "Threads",
    "size": "Input size, pixels",
    "classes": "Classes",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "lime": "LIME",
    "pillow": "Pillow",
}
_STAGES = {
    "prepare": "Read and segment photos",
    "attack": "Attack",
    "explain": "Explain",
    "causal": "Causal checks",
    "controls": "Controls",
    "photo": "Read a photo",
}
_TABLES = {"failures": "Failures and skipped photos"}
_NO_FLAGS = {"weights_sha256", "batch", "group"}
"""Settings that follow from others or from the machine."""


def setting(name: str) -> str:
    """A key of the manifest for people."""
    return _LABELS.get(name, visible(name.replace("_", " ")))


def stage(name: str) -> str:
    """A stage of the sweep for people; explaining has one stage an explainer."""
    return _STAGES.get(name) or explainer_name(name)


def table(name: str) -> str:
    """A table of the store for people."""
    return _TABLES.get(name, name.capitalize())


def plainly(value: object) -> str:
    """A value of the manifest as text."""
    return visible(", ".join(map(str, value)) if isinstance(value, list) else value)


def command(manifest: Mapping[str, Any]) -> str:
    """The sweep that makes a store like this one, for a shell."""
    given = dict(manifest.get("given") or {})
    flags = [("photos", photo) for photo in given.get("photos") or []]
    flags += [("weights", given["weights"])] if given.get("weights") else []
    flags += [(name, value) for name, value in manifest["config"].items() if name not in _NO_FLAGS]
    lines = ["wolfspider sweep"]
    for name, value in flags:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        lines.append(f"{shell('--' + name.replace('_', '-'))} {shell(text)}")
    return " \\\n  ".join([*lines, "--out NEW_FOLDER"])
