"""What a run is: the record in `run.json` from which its parts, its manifest and its resumption follow.

Publishing needs nothing but this record and the parts, so any machine that sees the folder can do it.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from compute.errors import InputError
from compute.store.opening import Store, open_store
from compute.store.places.bucket import parts_at
from compute.store.places.place import Place
from compute.store.schema import SCHEMA_VERSION
from compute.sweep.config import Config, digest

_PACKAGES = (
    *("wolfspider", "torch", "torchvision", "onnxruntime", "timm"),
    *("scikit-image", "scikit-learn", "scipy", "lime", "numpy", "pillow"),
)


def record(
    config: Config,
    *,
    photo_ids: Sequence[str],
    classifier: Mapping[str, Any],
    target: Mapping[str, Any],
    explainers: Sequence[Mapping[str, Any]],
    device: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a run. Its hash covers what decides the results: not where photos lie or results go."""
    science = config.science()
    what = {"photos": list(photo_ids), "classifier": classifier, "explainers": list(explainers)}
    decides = {**science, **what, "device": device["kind"]}
    sizes = "lime" if any(e["name"] == "lime" for e in explainers) else "n per cent of the image's pixels"
    found = {
        "config": science,
        "config_hash": digest(decides),
        "environment": {"python": platform.python_version(), **{p: version(p) for p in _PACKAGES}},
        "given": {
            "photos": list(config.photos),
            "weights": config.weights,
            "device": config.device,
            "keep": config.keep,
        },
        "device": {**device, "cores": os.cpu_count()},
        "classifier": classifier,
        "target": target,
        "explainers": list(explainers),
        "sizes": sizes,
        "photos": list(photo_ids),
    }
    return dict(json.loads(json.dumps(found)))  # as it will be read back: lists, not tuples


def groups(photo_ids: Sequence[str], size: int) -> list[list[str]]:
    """The photos whose attempts share batches, in order."""
    return [list(photo_ids[i : i + size]) for i in range(0, len(photo_ids), size)]


def attack_part(group: int) -> str:
    """Name of the part that holds a group's photos and attempts."""
    return f"attack-{group:05d}"


def explain_part(photo_id: str) -> str:
    """Name of the part that holds the explanations of a photo's cases."""
    return f"explain-{photo_id}"


def publish(root: str | Place) -> Store:
    """Join the parts of a finished run into its store; a published store is left as it is.

    Raises:
        InputError: no sweep was started there, parts are missing or damaged, or the folder cannot be written.
    """
    parts = parts_at(root)
    if not parts.published():
        run = parts.run()
        grouped = [
            [attack_part(i), *map(explain_part, group)]
            for i, group in enumerate(groups(run["photos"], run["config"]["group"]))
        ]
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {"schema_version": SCHEMA_VERSION, "created": created, **run}
        try:
            parts.publish(grouped, manifest, partial(_kept, run["given"].get("keep")))
        except InputError:
            if not parts.published():  # else another process was faster, with the same parts
                raise
    store = open_store(parts.root)
    parts.discard()
    return store


def _kept(what: str, images: pa.Table) -> pa.Table:
    """Of some rows of `images` those that `--keep` asks for; no photo can be seen in regions and entry maps."""
    kinds = images["kind"]
    if what == "none":
        return images.slice(0, 0)
    if what == "entries":
        return images.filter(pc.or_(pc.equal(kinds, "segments"), pc.starts_with(kinds, "entry:")))
    return images
