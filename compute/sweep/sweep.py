"""Wires the stages: photos, regions, attacks, explanations, scores, store.

Attempts of `group` photos share batches, so a group is the unit of attacking; the unit of explaining is a photo. Both
are parts: finished ones are found again by an interrupted, resumed or sharded sweep.
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from compute.attacks.bim import BIM, Job, attack
from compute.errors import InputError
from compute.explainers import Explainer, resolve
from compute.inputs import photos
from compute.inputs.regions import largest, segment
from compute.inputs.source import Photo, PhotoError, Source
from compute.networks import classifiers, engine
from compute.networks.classifiers import Classifier
from compute.networks.engine import Probabilities
from compute.store.opening import Store
from compute.store.parts import Parts, Rows
from compute.store.png import from_png, png
from compute.sweep.config import Config
from compute.sweep.evaluate import Case, Explained, Prepared, Turns, explain_case, prepare_case
from compute.sweep.pipeline import Pipeline
from compute.sweep.rows import attempt_row, failure_row, photo_row
from compute.sweep.run import attack_part, explain_part, groups, publish, record

_Item = tuple[str, Case | None, int]
"""Photo, one of its cases (None where it has none), and how many there are."""
Progress = Callable[[str, float, int], None]
"""Called with (stage, photos done, photos in all); the stages are attack and explain."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been checked and can run: `open_sweep` makes one.

    `probabilities` are LIME's passes; None where the sweep is finished, so that none are needed.
    """

    config: Config
    classifier: Classifier
    explainers: tuple[Explainer, ...]
    target: int
    sources: dict[str, Source]
    passed_over: tuple[tuple[str, str], ...]
    parts: Parts
    probabilities: Probabilities | None


def open_sweep(
    config: Config, *, sources: Sequence[Source] | None = None, classifier: Classifier | None = None
) -> Sweep:
    """Check everything that can be checked before work begins, and claim the folder of the store.

    Args:
        config: the configuration.
        sources: photos in memory (`from_array`), instead of `config.photos`.
        classifier: a classifier of one's own (`Classifier.of`), instead of `config.classifier`.

    Raises:
        InputError: naming the option at fault.
    """
    engine.tune()
    device = engine.device_of(config.device) if classifier is None else classifier.device
    explainers = tuple(resolve(config.explainers))
    found, passed = (list(sources), []) if sources is not None else photos.find(config.photos)
    by_id = {source.photo_id: source for source in sorted(found, key=lambda s: s.photo_id)}
    if classifier is None:
        classifier = classifiers.load(config.classifier, weights=config.weights, device=device)
    target = classifier.index_of(config.target)
    parts = Parts(Path(config.out))
    if config.engine == "auto" and parts.begun():
        config = dataclasses.replace(config, engine=parts.run()["config"].get("engine", "auto"))
    probabilities: Probabilities | None = None
    if parts.published():
        config = engine.resolved(config, device.type, photos=len(by_id))
    else:
        config, probabilities = engine.ready(classifier, config, photos=len(by_id))
    parts.begin(
        record(
            config,
            photo_ids=list(by_id),
            classifier={
                "name": classifier.name,
                "size": classifier.size,
                "classes": len(classifier.classes),
                "weights_sha256": classifier.weights_sha256,
            },
            target={"index": target, "name": classifier.classes[target]},
            explainers=[{"name": e.name, "baseline": e.baseline, "code": e.code} for e in explainers],
            device={"kind": device.type, "name": engine.device_name(device)},
        )
    )
    return Sweep(config, classifier, explainers, target, by_id, tuple(passed), parts, probabilities)


def run_sweep(
    config: Config,
    *,
    sources: Sequence[Source] | None = None,
    classifier: Classifier | None = None,
    shard: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
) -> Store | None:
    """Run a sweep, or what is left of it, and publish its store.

    Args:
        config: the configuration.
        sources: photos in memory (`from_array`), instead of `config.photos`.
        classifier: `Classifier.of(module, ...)`, instead of `config.classifier`.
        shard: (i, n): only the i-th of n shares of the groups; such a run does not publish.
        progress: called as work goes on.

    Returns:
        The published store; None for a shard.

    Raises:
        InputError: naming the option at fault; what is finished stays, and the next run goes on from there.
    """
    return finish(open_sweep(config, sources=sources, classifier=classifier), shard=shard, progress=progress)


def finish(opened: Sweep, *, shard: tuple[int, int] = (1, 1), progress: Progress | None = None) -> Store | None:
    """Run what is left of a sweep that has been opened; see `run_sweep`."""
    try:
        if opened.probabilities is not None and not opened.parts.published():  # by another process meanwhile
            _run(opened, opened.probabilities, shard, progress or (lambda stage, done, total: None))
        return publish(opened.parts.root) if shard[1] == 1 else None
    except OSError as error:
        raise InputError(
            f"--out {opened.config.out}: cannot be written ({error.strerror or error}); what is finished is kept: "
            "make room and run the same command again"
        ) from error


def _run(opened: Sweep, passes: Probabilities, shard: tuple[int, int], progress: Progress) -> None:
    """Do the groups of a shard that are not done yet."""
    turns = Turns()
    probabilities = turns.stoppable(passes)
    every = enumerate(groups(list(opened.sources), opened.config.group))
    mine = [(i, group) for i, group in every if i % shard[1] == shard[0] - 1]
    counted = _Counted(progress, sum(len(group) for _, group in mine))

    def unexplained() -> Iterator[tuple[str, list[Case]]]:
        """Photos whose part is missing, with their cases; attacks their group first where that was not done."""
        for i, group in mine:
            if opened.parts.done(attack_part(i)):
                counted.advance("attack", len(group))
            else:
                _attack_group(opened, i, group, turns, counted)
            cases = {p: list(c) for p, c in groupby(_cases(opened, i), key=lambda case: case.photo_id)}
            for photo_id in group:
                if opened.parts.done(explain_part(photo_id)):
                    counted.advance("explain", 1)
                else:
                    yield photo_id, cases.get(photo_id, [])

    none: list[Case | None] = [None]
    items = ((p, case, len(cases)) for p, cases in unexplained() for case in cases or none)

    def explain(item: tuple[_Item, dict[str, Prepared]]) -> tuple[str, Explained | None, int]:
        (photo_id, case, cases), prepared = item
        if case is None:
            return photo_id, None, cases
        done = explain_case(case, prepared, opened.explainers, opened.classifier, opened.config, probabilities, turns)
        return photo_id, done, cases

    def write(results: Iterable[tuple[str, Explained | None, int]]) -> None:
        for photo_id, found in groupby(results, key=lambda result: result[0]):
            explained = []
            for _, done, cases in found:
                explained += [done] if done else []
                counted.advance("explain", 1 / max(cases, 1))
            opened.parts.write(explain_part(photo_id), *_together(explained))

    with Pipeline(opened.classifier.device, turns) as pipeline:
        write(pipeline.run(lambda item: prepare_case(item[1], opened.explainers) if item[1] else {}, explain, items))


class _Counted:
    """Progress by stage, in photos."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total
        self.done = {"attack": 0.0, "explain": 0.0}

    def advance(self, stage: str, by: float) -> None:
        self.done[stage] += by
        self.progress(stage, self.done[stage], self.total)


def _attack_group(opened: Sweep, index: int, group: Sequence[str], turns: Turns, counted: _Counted) -> None:
    """Load, segment and attack the photos of a group, and write their part."""
    config, classifier, started = opened.config, opened.classifier, time.perf_counter()
    rows: dict[str, list[dict[str, Any]]] = {"photos": [], "attempts": [], "images": [], "failures": []}
    if index == 0:
        rows["failures"] += [failure_row("photo", name, reason) for name, reason in opened.passed_over]
    loaded: list[Photo] = []
    for photo_id in group:
        try:
            loaded.append(photos.load(opened.sources[photo_id], classifier.size))
        except PhotoError as error:
            rows["failures"].append(failure_row("photo", opened.sources[photo_id].origin, str(error)))
    jobs: list[Job] = []
    for photo, clean in zip(loaded, _classify(opened, loaded, turns), strict=True):
        photo_id = photo.source.photo_id
        labels = photo.regions
        if labels is None:
            labels = segment(photo.rgb, scale=config.scale, sigma=config.sigma, min_size=config.min_size)
        rows["photos"].append(photo_row(photo, labels, clean, classifier.classes))
        rows["images"].append({"owner": photo_id, "kind": "photo", "png": png(photo.rgb)})
        rows["images"].append({"owner": photo_id, "kind": "segments", "png": png(labels.astype("uint16"))})
        if clean[0] == opened.target:
            reason = f"already classified as the target, {classifier.classes[opened.target]}"
            rows["failures"].append(failure_row("attack", photo_id, reason))
        else:
            found = largest(labels, config.regions)
            jobs += [Job(f"{photo_id}-r{r.rank:02d}", photo_id, photo.rgb, r) for r in found]
    prepared = time.perf_counter()
    settings = BIM.of(config, opened.target)
    for attempt in attack(classifier, jobs, settings, batch=config.batch, exclusive=turns):
        rows["attempts"].append(attempt_row(attempt, classifier))
        rows["images"].append({"owner": attempt.job.case_id, "kind": "adversarial", "png": png(attempt.rgb)})
        counted.advance("attack", len(group) / len(jobs))
    if not jobs:
        counted.advance("attack", len(group))
    rows["attempts"].sort(key=lambda row: row["case_id"])
    rows["images"].sort(key=lambda row: (row["owner"], row["kind"]))
    seconds = {"prepare": prepared - started, "attack": time.perf_counter() - prepared}
    opened.parts.write(attack_part(index), rows, seconds)


def _classify(opened: Sweep, loaded: Sequence[Photo], turns: Turns) -> list[tuple[int, float]]:
    """(index, confidence) of the unmodified crops."""
    found: list[tuple[int, float]] = []
    for start in range(0, len(loaded), opened.config.batch):
        images = torch.stack([torch.from_numpy(p.rgb) for p in loaded[start : start + opened.config.batch]])
        images = images.to(opened.classifier.device).permute(0, 3, 1, 2).float() / 255
        with turns, torch.inference_mode():
            p, index = opened.classifier.network(images).softmax(dim=1).max(dim=1)
        found += list(zip(index.tolist(), p.tolist(), strict=True))
    return found


def _cases(opened: Sweep, index: int) -> Iterator[Case]:
    """The successful attempts of a group, from its part, sorted by case."""
    name = attack_part(index)
    images = {(row["owner"], row["kind"]): row["png"] for row in opened.parts.read(name, "images")}
    for row in opened.parts.read(name, "attempts"):
        if row["success"]:
            region = from_png(images[row["photo_id"], "segments"]) == row["segment"]
            rgb = from_png(images[row["case_id"], "adversarial"])
            yield Case(row["case_id"], row["photo_id"], rgb, region, opened.target)


def _together(explained: Sequence[Explained]) -> tuple[Rows, dict[str, float]]:
    """The rows and seconds of a photo's cases."""
    tables = ("explanations", "scores", "images", "failures")
    seconds: dict[str, float] = {}
    for one in explained:
        for stage, value in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    return {table: [row for one in explained for row in one.rows[table]] for table in tables}, seconds
