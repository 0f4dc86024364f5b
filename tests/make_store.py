"""Make a synthetic store of any number of cases: `python tests/make_store.py OUT --cases 60000`.

Photos repeat a few made templates, so that millions of scores take seconds; memory holds some of them at a time. Scores
always fit the stored entry maps.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from skimage.measure import shannon_entropy

from compute.scoring.measures import measure
from compute.store.files import sha256_file
from compute.store.png import png
from compute.store.schema import (
    BLOB_ROW_GROUP,
    CHECKED,
    CONTROLS,
    DERIVED,
    N_SIZES,
    SCHEMA_VERSION,
    TABLES,
    file_name,
)
from compute.store.tables.derived import SOURCES, derive, taking_part
from compute.store.tables.publishing import write_derived
from compute.store.tables.writing import Writer, ends

SKILL = {"saliency": 0.5, "guided_backprop": 1.0, "lime": 2.0, "random": 0.0}
BASELINES = ("random", "oracle@superpixels")
CLASSES = ("daisy", "espresso", "palace", "Egyptian cat", "missile", "tabby", "castle", "rugby ball")
TARGET = (77, "wolf spider")
REGIONS = 10


TOGETHER = 1500
"""Photos that are written at a time."""


@dataclass(frozen=True)
class Template:
    """The rows of a made photo; of ids, they hold what follows the photo's name."""

    tables: dict[str, pa.Table]
    cases: int


def make_store(
    out: Path, *, cases: int = 24, size: int = 64, seed: int = 0, explainers: tuple[str, ...] = tuple(SKILL)
) -> Path:
    """Write a store with at least `cases` cases (whole photos) of (size, size) crops; returns its folder."""
    out.mkdir(parents=True, exist_ok=True)
    templates = [
        _template(np.random.default_rng([seed, i]), size, explainers) for i in range(min(40, max(2, cases // 6)))
    ]
    methods = {name: name not in BASELINES for name in explainers}
    photos = list(_photos(templates, cases))
    with ExitStack() as stack:
        writers = {table: stack.enter_context(Writer(table, out, out)) for table in TABLES}
        pieces = _pieces(templates, photos, writers)
        derived = write_derived((derive(piece, methods) for piece in pieces), out, out)
        tables = {table: writer.entry() for table, writer in writers.items()} | derived
    (out / "manifest.json").write_text(json.dumps(_manifest(tables, len(photos), size, seed, explainers), indent=1))
    return out


def _photos(templates: Sequence[Template], cases: int) -> Iterator[int]:
    """The template of each photo, until there are enough cases."""
    made = 0
    for template in cycle(range(len(templates))):
        yield template
        made += templates[template].cases
        if made >= cases:
            return


def _pieces(
    templates: Sequence[Template], photos: Sequence[int], writers: Mapping[str, Writer]
) -> Iterator[dict[str, pa.Table]]:
    """Write some photos at a time; what tables are derived from."""
    for first in range(0, len(photos), TOGETHER):
        some = photos[first : first + TOGETHER]
        tables = {table: _filled(table, templates, some, first) for table in TABLES if table != "failures"}
        for table, rows in tables.items():
            writers[table].write(rows)
        yield tables
    writers["failures"].write(pa.Table.from_pylist([_failure()], schema=TABLES["failures"]))


def _filled(table: str, templates: Sequence[Template], photos: Sequence[int], first: int) -> pa.Table:
    """The rows of some photos, with their own ids in the place of the templates'."""
    rows = pa.concat_tables([templates[t].tables[table] for t in photos]).combine_chunks()
    ids = [f"made-{first + i:05d}" for i in range(len(photos))]
    owner = np.repeat(np.arange(len(photos)), [len(templates[t].tables[table]) for t in photos])
    photo = pa.array(ids, pa.string()).take(pa.array(owner))
    for place, field in enumerate(rows.schema):
        if field.name in ("photo_id", "name", "case_id", "owner"):
            suffix = ".jpg" if field.name == "name" else rows[field.name].combine_chunks()
            rows = rows.set_column(place, field, pc.binary_join_element_wise(photo, suffix, ""))
    return rows


def rewrite(store: Path, table: str, frame: pd.DataFrame) -> None:
    """Replace a table of a store; the manifest then fits it."""
    rows = pa.Table.from_pandas(frame, schema=TABLES[table], preserve_index=False)
    pq.write_table(rows, store / f"{table}.parquet", row_group_size=BLOB_ROW_GROUP)
    if table in SOURCES:
        derive_again(store)
    sign(store, table, *DERIVED)


def derive_again(store: Path) -> None:
    """Write the derived tables of a store anew."""
    explainers = json.loads((store / "manifest.json").read_text())["explainers"]
    tables = {name: pq.read_table(store / f"{name}.parquet") for name in SOURCES}
    methods = taking_part(explainers, set(tables["explanations"]["explainer"].to_pylist()))
    for name, table in derive(tables, methods).items():
        pq.write_table(table, store / f"{name}.parquet", compression="zstd")


def _template(rng: np.random.Generator, size: int, explainers: tuple[str, ...]) -> Template:
    y, x = np.mgrid[:size, :size]
    centres = rng.uniform(0, size, (14, 2))
    labels = np.argmin((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, axis=-1)
    rgb = rng.uniform(30, 220, (14, 3))[labels] + 25 * np.sin((x + y)[..., None] / size * 9)
    rgb = np.clip(rgb, 0, 255).astype(np.uint8)
    sizes = np.bincount(labels.ravel(), minlength=14)
    index = int(rng.integers(len(CLASSES)))
    photo = {
        "source": "made", "licence": "CC0-1.0", "sha256": "0" * 64, "original_width": 640, "original_height": 480,
        "size": size, "entropy": shannon_entropy(rgb.mean(axis=2).astype(np.uint8)), "segments": 14,
        "hand_drawn": False, "clean_index": 100 + index, "clean_class": CLASSES[index],
        "clean_confidence": float(rng.uniform(0.2, 0.99)), "target_index": TARGET[0], "target_class": TARGET[1],
    }  # fmt: skip
    attempts, explained = [], []
    for rank, segment in enumerate(np.argsort(-sizes)[:REGIONS], start=1):
        region = labels == segment
        success = bool(rng.random() < 1 - 0.04 * rank)
        attempts.append(_attempt(rng, rank, int(segment), region, success))
        noise = rng.integers(-6, 7, rgb.shape) * region[..., None]
        images = {"adversarial": png(np.clip(rgb + noise, 0, 255).astype(np.uint8))}
        explained.append(
            _explain(rng, region, explainers, images)
            if success
            else {"images": images, "explanations": [], "controls": [], "repeats": []}
        )
    return _as_tables(photo, {"photo": png(rgb), "segments": png(labels.astype(np.uint16))}, attempts, explained)


def _as_tables(
    photo: dict[str, Any], images: dict[str, bytes], attempts: list[dict[str, Any]], explained: list[dict[str, Any]]
) -> Template:
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES if name != "failures"}
    rows["photos"].append({**photo, "photo_id": "", "name": ""})
    rows["images"] += [{"owner": "", "kind": kind, "png": data} for kind, data in images.items()]
    for attempt, found in zip(attempts, explained, strict=True):
        case = f"-r{attempt['region_rank']:02d}"
        rows["attempts"].append({**attempt, "photo_id": "", "case_id": case})
        rows["images"] += [{"owner": case, "kind": kind, "png": data} for kind, data in found["images"].items()]
        for table in ("explanations", "controls", "repeats"):
            rows[table] += [{**row, "case_id": case} for row in found[table]]
    tables = {name: pa.Table.from_pylist(some, schema=TABLES[name]) for name, some in rows.items()}
    return Template(tables, sum(attempt["success"] for attempt in attempts))


def _attempt(
    rng: np.random.Generator, rank: int, segment: int, region: npt.NDArray[np.bool_], success: bool
) -> dict[str, Any]:
    confidence = float(rng.beta(2, 3)) if success else 0.01
    return {
        "region_rank": rank, "segment": segment, "region_pixels": int(region.sum()), "n_pixels": region.size,
        "success": success, "outcome": "success" if success else str(rng.choice(["stalled", "exhausted"])),
        "iterations": int(rng.integers(5, 150)), "linf": int(rng.integers(8, 200)), "l2": float(rng.uniform(2, 20)),
        "clean_target_confidence": 1e-4, "target_confidence": confidence,
        "final_index": TARGET[0] if success else 3, "final_class": TARGET[1] if success else "daisy",
        "final_confidence": confidence if success else 0.5,
        "visibility": 0.7 + 0.3 * confidence if success else None,
        "sufficiency_mean": confidence / 4 if success else None,
        "sufficiency_blur": confidence / 3 if success else None,
    }  # fmt: skip


def _explain(
    rng: np.random.Generator, region: npt.NDArray[np.bool_], explainers: tuple[str, ...], images: dict[str, bytes]
) -> dict[str, Any]:
    """Entry maps that favour the region as strongly as the explainer's skill; LIME's are of square superpixels."""
    size = region.shape[0]
    cell = size // 8
    squares = (np.arange(size) // cell)[:, None] * 8 + (np.arange(size) // cell)[None, :]
    inside = np.bincount(squares.ravel(), region.ravel()) / np.bincount(squares.ravel())
    order = np.argsort(-(SKILL["lime"] * inside + rng.normal(0, 0.4, inside.size)))[:N_SIZES]
    entry_of = np.zeros(inside.size, np.uint8)
    entry_of[order] = np.arange(1, N_SIZES + 1)
    lime = entry_of[squares]
    pixels = np.cumsum(np.bincount(lime.ravel(), minlength=N_SIZES + 1)[1:])
    explanations, controls, repeats = [], [], []
    for name in explainers:
        entry = (
            lime if name == "lime" else _ranked(rng, region, pixels, SKILL.get(name, 0.8) * rng.lognormal(-0.5, 0.8))
        )
        weights = np.sort(rng.exponential(0.1, N_SIZES))[::-1].round(4).tolist()
        diagnostics = {"r2": 0.6, "superpixels": 64, "positive": 30, "weights": weights} if name == "lime" else {}
        hits = np.cumsum(np.bincount(entry[region], minlength=N_SIZES + 1)[1:])
        values = np.where(entry > 0, N_SIZES + 1.0 - entry, 0)
        found = [float(hits[n - 1] / region.sum()) for n in CHECKED]
        explanations.append(
            {
                "explainer": name,
                "seconds": 0.1,
                "passes": {"lime": 1000, "random": 0}.get(name, 1),
                "pixels": pixels.tolist(),
                "hits": hits.tolist(),
                **measure(values, region, values)._asdict(),
                "restored": [1 - share for share in found],
                "undone": [share > 0.3 for share in found],
                "transplanted": found,
                "appeared": [share > 0.6 for share in found],
                "diagnostics": json.dumps(diagnostics),
            }
        )
        again = {
            "explainer": name, "pixels": pixels.tolist(), "hits": (hits // 2).tolist(), "jaccard_at_region": 0.1,
            "auroc": 0.6, "gini": 0.5, "correlation": 0.4, "overlap": 0.2,
            "alarms": 0.3 - float(hits[-1]) / region.sum() / 10,
        }  # fmt: skip
        controls += [{**again, "control": control} for control in CONTROLS if name != "random"]
        repeats += [{**again, "repeat": 1, "hits": hits.tolist(), "overlap5": 0.8}] if name == "lime" else []
        images = {**images, f"entry:{name}": png(entry)}
    return {"images": images, "explanations": explanations, "controls": controls, "repeats": repeats}


def _ranked(
    rng: np.random.Generator, region: npt.NDArray[np.bool_], pixels: npt.NDArray[np.integer], skill: float
) -> npt.NDArray[np.uint8]:
    order = np.argsort(-(skill * region.ravel() + rng.normal(0, 0.6, region.size)))
    entry = np.zeros(region.size, np.uint8)
    entry[order[: pixels[-1]]] = np.searchsorted(pixels, np.arange(pixels[-1]), side="right") + 1
    return entry.reshape(region.shape)


def _failure() -> dict[str, Any]:
    reason = "not a readable image (cannot identify image file)"
    return {"stage": "photo", "photo": "broken.jpg", "case_id": None, "explainer": None, "reason": reason}


def _manifest(tables: dict[str, Any], photos: int, size: int, seed: int, explainers: tuple[str, ...]) -> dict[str, Any]:
    config = {
        "classifier": "made", "target": TARGET[1], "explainers": list(explainers), "regions": REGIONS, "scale": 100.0,
        "sigma": 0.8, "min_size": 100, "algorithm": "bim", "step": 4, "iterations": 150, "patience": 20,
        "progress": 0.1, "budget": 255, "confidence": 0.0, "lime_samples": 1000, "seed": seed, "batch": 16, "group": 4,
        "engine": "eager", "precision": "float32", "weights_sha256": "0" * 64,
    }  # fmt: skip
    return {
        "schema_version": SCHEMA_VERSION,
        "wolfspider": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "config": config,
        "config_hash": hashlib.sha256(json.dumps(config).encode()).hexdigest(),
        "environment": {"python": "3.11", "numpy": np.__version__},
        "given": {"photos": [], "weights": None, "device": "auto"},
        "device": {"kind": "cpu", "name": "made", "cores": 2},
        "classifier": {"name": "made", "size": size, "classes": 1000, "weights_sha256": "0" * 64},
        "target": {"index": TARGET[0], "name": TARGET[1]},
        "explainers": [{"name": name, "baseline": name in BASELINES} for name in explainers],
        "sizes": "lime",
        "photos": [f"made-{i:05d}" for i in range(photos)],
        "seconds": {"prepare": 1.0, "attack": 60.0, **dict.fromkeys(explainers, 5.0)},
        "tables": tables,
    }


def sign(store: Path, *tables: str) -> None:
    """Let the manifest fit tables that were rewritten."""
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["tables"] |= {table: _entry(store, table) for table in tables}
    (store / "manifest.json").write_text(json.dumps(manifest))


def _entry(store: Path, table: str) -> dict[str, Any]:
    path = store / file_name(table, 0)
    rows = pq.read_metadata(path).num_rows
    file = {"name": path.name, "rows": rows, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
    least, greatest = ends(pq.read_table(path).select([0])) or ("", "")
    return {"rows": rows, "files": [{**file, "least": str(least), "greatest": str(greatest)}]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    print(make_store(arguments.out, cases=arguments.cases, size=arguments.size))
