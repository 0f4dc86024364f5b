"""Wires the stages: photos, regions, attacks, explanations, scores, store.

Attempts of `group` photos share batches, so a group is the unit of attacking; the unit of explaining is a photo. Both
are parts: finished ones are found again by an interrupted, resumed or sharded sweep. Cases are explained by a few
threads that take turns at the network, so that segmentation, surrogates and encoding cost it no time.
"""

import dataclasses
import os
import platform
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import torch

from compute import classifiers, engine, photos
from compute.attack import BIM, Attempt, Job, attack
from compute.classifiers import Classifier
from compute.config import Config, digest
from compute.errors import InputError
from compute.evaluate import Case, Explained, Turns, explain_case
from compute.explainers import Explainer, resolve
from compute.parts import Parts
from compute.photos import Photo, PhotoError, Source
from compute.regions import largest, segment
from compute.schema import SCHEMA_VERSION
from compute.store import MANIFEST, Store, open_store

T = TypeVar("T")
R = TypeVar("R")
Report = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been checked and can run: `open_sweep` makes one."""

    config: Config
    classifier: Classifier
    explainers: tuple[Explainer, ...]
    target: int
    sources: tuple[Source, ...]
    passed_over: tuple[tuple[str, str], ...]
    parts: Parts
    run: dict[str, Any]

    @property
    def groups(self) -> list[tuple[Source, ...]]:
        """The photos whose attempts share batches, in order."""
        size = self.config.group
        return [self.sources[i : i + size] for i in range(0, len(self.sources), size)]

    def part_names(self) -> list[str]:
        """All parts of a whole run, in the order of the published store."""
        return [n for i, g in enumerate(self.groups) for n in (_attack_part(i), *(_explain_part(s) for s in g))]

    @property
    def published(self) -> bool:
        """Whether the store is there already."""
        return (self.parts.root / MANIFEST).exists()


def open_sweep(
    config: Config, *, sources: Sequence[Source] | None = None, classifier: Classifier | None = None
) -> Sweep:
    """Check everything that can be checked before work begins, and claim the folder of the store.

    Args:
        config: the configuration.
        sources: photos in memory or found elsewhere, instead of `config.photos`.
        classifier: a classifier of one's own, instead of `config.classifier`.

    Raises:
        InputError: naming the option at fault.
    """
    device = engine.device_of(config.device)
    explainers = tuple(resolve(config.explainers))
    found, passed = (sorted(sources, key=lambda s: s.photo_id), []) if sources else photos.find(config.photos)
    if classifier is None:
        classifier = classifiers.load(config.classifier, weights=config.weights, device=device)
    config = engine.resolved(config, device.type, len(found))
    target = classifier.index_of(config.target)
    science = config.science() | {"classifier": classifier.name, "weights_sha256": classifier.weights_sha256}
    run = {
        "config": science,
        "config_hash": digest(science | {"photos": [s.photo_id for s in found], "device": device.type}),
        "environment": _environment(device.type),
    }
    parts = Parts(Path(config.out))
    parts.begin(run)
    return Sweep(config, classifier, explainers, target, tuple(found), tuple(passed), parts, run)


def run_sweep(
    config: Config,
    *,
    sources: Sequence[Source] | None = None,
    classifier: Classifier | None = None,
    shard: tuple[int, int] = (1, 1),
    report: Report | None = None,
) -> Store | None:
    """Run a sweep, or what is left of it, and publish its store.

    Args:
        config: the configuration.
        sources: photos in memory (`photos.from_array`), instead of `config.photos`.
        classifier: `Classifier.of(module, ...)`, instead of `config.classifier`.
        shard: (i, n): only the i-th of n shares of the groups; such a run does not publish.
        report: called with (stage, done, total) as work goes on.

    Returns:
        The published store; None for a shard.

    Raises:
        InputError: naming the option at fault; what is finished stays, and the next run goes on from there.
    """
    opened = open_sweep(config, sources=sources, classifier=classifier)
    if not opened.published:
        try:
            run(opened, shard=shard, report=report or (lambda stage, done, total: None))
            if shard[1] > 1:
                return None
            publish(opened)
        except OSError as error:
            raise InputError(
                f"--out {opened.config.out}: cannot be written ({error.strerror or error}); what is finished is kept: "
                "make room and run the same command again"
            ) from error
    return open_store(opened.parts.root)


def run(opened: Sweep, *, shard: tuple[int, int], report: Report) -> None:
    """Do the groups of a shard that are not done yet."""
    index, count = shard
    turns = Turns()
    mine = [(i, g) for i, g in enumerate(opened.groups) if i % count == index - 1]
    probabilities = turns.stoppable(engine.probabilities(opened.classifier, opened.config))
    done = {"attack": 0, "explain": 0}
    total = sum(len(g) for _, g in mine)

    def advance(stage: str, by: int) -> None:
        done[stage] += by
        report(stage, done[stage], total)

    def unexplained() -> Iterator[tuple[Source, Case | None]]:
        for i, group in mine:
            if not opened.parts.done(_attack_part(i)):
                _attack_group(opened, i, group, turns)
            advance("attack", len(group))
            cases = {p: list(c) for p, c in groupby(_cases(opened, i), key=lambda case: case.photo_id)}
            for source in group:
                if opened.parts.done(_explain_part(source)):
                    advance("explain", 1)
                else:
                    yield source, None
                    yield from ((source, case) for case in cases.get(source.photo_id, []))

    def work(item: tuple[Source, Case | None]) -> tuple[Source, Explained | None]:
        source, case = item
        if case is None:
            return source, None
        return source, explain_case(case, opened.explainers, opened.classifier, opened.config, probabilities, turns)

    with ThreadPoolExecutor(engine.workers(opened.classifier.device)) as pool:
        try:
            results = ahead(work, unexplained(), pool, depth=2 * engine.workers(opened.classifier.device))
            for source, found in groupby(results, key=lambda result: result[0]):
                explained = [e for _, e in found if e is not None]
                rows = {t: [r for e in explained for r in e.rows[t]] for t in ("explanations", "scores", "images", "failures")}
                opened.parts.write(_explain_part(source), rows, _summed(e.seconds for e in explained))
                advance("explain", 1)
        except BaseException:
            turns.stop()
            pool.shutdown(cancel_futures=True)
            raise


def publish(opened: Sweep) -> None:
    """Join the parts of a finished run into its store."""
    opened.parts.publish(opened.part_names(), _manifest(opened))


def ahead(function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, *, depth: int) -> Iterator[R]:
    """`map(function, items)` in order, with at most `depth` items under way in the pool."""
    under_way: deque[Future[R]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= depth:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _attack_group(opened: Sweep, index: int, group: Sequence[Source], turns: Turns) -> None:
    """Load, segment and attack the photos of a group, and write their part."""
    config, started = opened.config, time.perf_counter()
    rows: dict[str, list[dict[str, Any]]] = {"photos": [], "attempts": [], "images": [], "failures": []}
    if index == 0:
        rows["failures"] = [_failure("photo", name, reason) for name, reason in opened.passed_over]
    loaded = []
    for source in group:
        try:
            loaded.append(photos.load(source, opened.classifier.size))
        except PhotoError as error:
            rows["failures"].append(_failure("photo", source.name, str(error)))
    jobs = []
    for photo, clean in zip(loaded, _classify(opened, loaded, turns), strict=True):
        found = _photo_rows(opened, photo, clean, rows)
        if clean[0] == opened.target:
            reason = f"already classified as the target, {opened.classifier.classes[opened.target]}"
            rows["failures"].append(_failure("attack", photo.source.photo_id, reason))
        else:
            jobs += found
    prepared = time.perf_counter()
    settings = BIM(
        target=opened.target,
        **{f.name: getattr(config, f.name) for f in dataclasses.fields(BIM) if f.name != "target"},
    )
    clean_rgb = {job.photo_id: job.rgb for job in jobs}
    for attempt in attack(opened.classifier, jobs, settings, batch=config.batch, exclusive=turns):
        rows["attempts"].append(_attempt_row(opened, attempt, clean_rgb[attempt.job.photo_id]))
        rows["images"].append({"owner": attempt.job.case_id, "kind": "adversarial", "png": photos.png(attempt.rgb)})
    rows["attempts"].sort(key=lambda row: row["case_id"])
    rows["images"].sort(key=lambda row: (row["owner"], row["kind"]))
    seconds = {"prepare": prepared - started, "attack": time.perf_counter() - prepared}
    opened.parts.write(_attack_part(index), rows, seconds)


def _classify(opened: Sweep, loaded: Sequence[Photo], turns: Turns) -> list[tuple[int, float]]:
    """(index, confidence) of the unmodified crops."""
    found: list[tuple[int, float]] = []
    for start in range(0, len(loaded), opened.config.batch):
        images = torch.stack([torch.from_numpy(p.rgb.copy()) for p in loaded[start : start + opened.config.batch]])
        images = images.to(opened.classifier.device).permute(0, 3, 1, 2).float() / 255
        with turns, torch.inference_mode():
            p, index = opened.classifier.network(images).softmax(dim=1).max(dim=1)
        found += list(zip(index.tolist(), p.tolist(), strict=True))
    return found


def _photo_rows(
    opened: Sweep, photo: Photo, clean: tuple[int, float], rows: dict[str, list[dict[str, Any]]]
) -> list[Job]:
    """Add the rows of a photo, and return its jobs."""
    config, source = opened.config, photo.source
    labels = photo.regions
    if labels is None:
        labels = segment(photo.rgb, scale=config.scale, sigma=config.sigma, min_size=config.min_size)
    regions = largest(labels, config.regions)
    rows["photos"].append(
        {
            "photo_id": source.photo_id,
            "name": source.name,
            "source": source.origin,
            "licence": source.licence,
            "sha256": source.sha256,
            "original_width": photo.original_width,
            "original_height": photo.original_height,
            "size": opened.classifier.size,
            "segments": int(len(set(labels.ravel().tolist()))),
            "hand_drawn": photo.regions is not None,
            "clean_index": clean[0],
            "clean_class": opened.classifier.classes[clean[0]],
            "clean_confidence": clean[1],
        }
    )
    rows["images"].append({"owner": source.photo_id, "kind": "photo", "png": photos.png(photo.rgb)})
    rows["images"].append({"owner": source.photo_id, "kind": "segments", "png": photos.png(labels.astype("uint16"))})
    return [Job(f"{source.photo_id}-r{r.rank:02d}", source.photo_id, photo.rgb, r) for r in regions]


def _attempt_row(opened: Sweep, attempt: Attempt, clean: Any) -> dict[str, Any]:
    job = attempt.job
    change = attempt.rgb.astype("int16") - clean
    return {
        "case_id": job.case_id,
        "photo_id": job.photo_id,
        "region_rank": job.region.rank,
        "segment": job.region.segment,
        "region_pixels": job.region.pixels,
        "n_pixels": job.region.mask.size,
        "success": attempt.success,
        "outcome": attempt.outcome,
        "iterations": attempt.iterations,
        "linf": int(abs(change).max()),
        "l2": float(((change / 255.0) ** 2).sum() ** 0.5),
        "clean_target_confidence": attempt.clean_target_confidence,
        "target_confidence": attempt.target_confidence,
        "final_index": attempt.final_index,
        "final_class": opened.classifier.classes[attempt.final_index],
        "final_confidence": attempt.final_confidence,
    }


def _cases(opened: Sweep, index: int) -> Iterator[Case]:
    """The successful attempts of a group, from its part, sorted by case."""
    name = _attack_part(index)
    images = {(r["owner"], r["kind"]): r["png"] for r in opened.parts.read(name, "images")}
    for row in opened.parts.read(name, "attempts"):
        if row["success"]:
            region = photos.from_png(images[row["photo_id"], "segments"]) == row["segment"]
            yield Case(row["case_id"], row["photo_id"], photos.from_png(images[row["case_id"], "adversarial"]), region, opened.target)


def _failure(stage: str, photo: str, reason: str) -> dict[str, Any]:
    return {"stage": stage, "photo": photo, "case_id": None, "explainer": None, "reason": reason}


def _manifest(opened: Sweep) -> dict[str, Any]:
    device = opened.classifier.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "schema_version": SCHEMA_VERSION,
        "wolfspider": version("wolfspider"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **opened.run,
        "given": {"photos": list(opened.config.photos), "weights": opened.config.weights, "device": opened.config.device},
        "device": {"kind": device.type, "name": name, "cores": os.cpu_count()},
        "classifier": {
            "name": opened.classifier.name,
            "size": opened.classifier.size,
            "classes": len(opened.classifier.classes),
            "weights_sha256": opened.classifier.weights_sha256,
        },
        "target": {"index": opened.target, "name": opened.classifier.classes[opened.target]},
        "explainers": [{"name": e.name, "baseline": e.baseline} for e in opened.explainers],
        "sizes": "lime" if any(e.name == "lime" for e in opened.explainers) else "n per cent of the image's pixels",
    }


def _environment(device: str) -> dict[str, str]:
    """What a resumed run must share with its beginning."""
    packages = ("wolfspider", "torch", "torchvision", "timm", "scikit-image", "scikit-learn", "lime", "numpy", "pillow")
    return {"device": device, "python": platform.python_version(), **{p: version(p) for p in packages}}


def _attack_part(index: int) -> str:
    return f"attack-{index:05d}"


def _explain_part(source: Source) -> str:
    return f"explain-{source.photo_id}"


def _summed(timings: Iterable[dict[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for timing in timings:
        for stage, seconds in timing.items():
            total[stage] = total.get(stage, 0.0) + seconds
    return total
