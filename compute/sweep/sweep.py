"""Wires the stages: photos, regions, attacks, explanations, scores, store.

Attempts of `group` photos share batches, so a group is the unit of attacking; the unit of explaining is a photo. Both
are parts: finished ones are found again by an interrupted, resumed or sharded sweep.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from itertools import groupby

import torch

from compute.attacks import Settings
from compute.errors import InputError
from compute.explainers.guard import Guard
from compute.inputs import photos
from compute.inputs.regions import Segmentation
from compute.inputs.source import Source, unique
from compute.networks import classifiers, engine
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine
from compute.scoring.presentations import Method, methods
from compute.store.opening import Store
from compute.store.part import Rows
from compute.store.places.bucket import RunParts, parts_at
from compute.store.png import from_png
from compute.sweep.asking import Asking, Case, Prepare, Prepared
from compute.sweep.attacking import RANDOM, Attacking, aimed_at
from compute.sweep.config import Config
from compute.sweep.controlling import CONTROLS
from compute.sweep.explaining import Explained, Explaining
from compute.sweep.pipeline import Pipeline
from compute.sweep.rows import failure_row
from compute.sweep.run import attack_part, explain_part, groups, publish, record
from compute.sweep.turns import Turns

GROUP = {"cpu": 8, "cuda": 56}
"""Photos whose attempts share batches: the more, the fewer passes run half empty; an interruption costs a group."""

_Item = tuple[str, Case | None, int]
"""Photo, one of its cases (None where it has none), and how many there are."""
Progress = Callable[[str, float, int], None]
"""Called with (stage, photos done, photos in all); the stages are attack and explain."""


@dataclass(frozen=True)
class Sweep:
    """A sweep that has been checked and can run: `open_sweep` makes one.

    `explaining` is None where the sweep is finished, so that no passes need be made.
    """

    sources: dict[str, Source]
    passed_over: tuple[tuple[str, str], ...]
    group: int
    parts: RunParts
    turns: Turns
    attacking: Attacking
    explaining: Explaining | None


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
    parts, turns = (
        parts_at(config.out),
        Turns(),
    )  # before code from outside is imported, which may change directories
    engine.tune()
    device = engine.device_of(config.device) if classifier is None else classifier.device
    asked_for = tuple(methods(config.explainers))
    found, passed = unique(sources) if sources is not None else photos.find(config.photos)
    by_id = {source.photo_id: source for source in found}
    if classifier is None:
        classifier = classifiers.load(config.classifier, weights=config.weights, device=device)
    target = None if config.target == RANDOM else classifier.index_of(config.target)
    settings = attack_of(config)
    asked = Engine(config.engine, config.precision, config.batch)
    if config.engine == "auto" and parts.begun():  # goes on with the engine that it began with
        asked = Engine(parts.run()["config"].get("engine", "auto"), config.precision, config.batch)
    probabilities, passes = None, passes_of(config, asked_for, len(by_id))
    if parts.published():
        chosen = asked.resolved(device.type, passes=passes)
    else:
        chosen, probabilities = engine.ready(classifier, asked, passes=passes)
    config = config.but(engine=chosen.name, batch=chosen.batch, group=config.group or GROUP[device.type])
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
            target={"index": target, "name": RANDOM if target is None else classifier.classes[target]},
            explainers=[m.record() for m in asked_for],
            device={
                "kind": device.type,
                "name": engine.device_name(device),
                "threads": torch.get_num_threads(),
            },
        )
    )
    segmentation = Segmentation(config.scale, config.sigma, config.min_size)
    target_of = partial(aimed_at, target, config.seed, len(classifier.classes))
    attacking = Attacking(classifier, segmentation, config.regions, target_of, settings, chosen.batch, turns)
    explaining: Explaining | None = None
    if probabilities is not None:
        stoppable = turns.stoppable(probabilities)
        outside = any(m.explainer.outside for m in asked_for)
        asking = Asking(
            network=classifier.network,
            probabilities=stoppable,
            batch=chosen.batch,
            lime_samples=config.lime_samples,
            seed=config.seed,
            turns=turns,
            guard=Guard(classifier.network, classifier.example(), stoppable) if outside else None,
            time_limit=config.time_limit,
        )
        checked, controls = config.causal == "all", CONTROLS[config.controls]
        explaining = Explaining(asked_for, asking, config.smooth, checked, controls, config.seeds - 1)
    return Sweep(by_id, tuple(passed), config.group, parts, turns, attacking, explaining)


def attack_of(config: Config) -> Settings:
    """The settings of a configuration's attack."""
    return Settings(**{f.name: getattr(config, f.name) for f in fields(Settings)})


def passes_of(config: Config, asked: Sequence[Method], photos: int) -> int:
    """Passes without gradients that a configuration takes about, at most: those of explainers by samples."""
    sampling = {m.explainer.name for m in asked if m.explainer.samples}
    return photos * config.regions * config.lime_samples * len(sampling) * config.seeds


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
    if opened.explaining is not None and not opened.parts.published():  # by another process meanwhile
        try:
            _run(opened, opened.explaining, shard, progress or (lambda stage, done, total: None))
        except InputError:
            if not opened.parts.published():  # else another process was faster, with the same configuration
                raise
    return publish(opened.parts.root) if shard[1] == 1 else None


def _run(opened: Sweep, explaining: Explaining, shard: tuple[int, int], progress: Progress) -> None:
    """Do the groups of a shard that are not done yet."""
    every = enumerate(groups(list(opened.sources), opened.group))
    mine = [(i, group) for i, group in every if i % shard[1] == shard[0] - 1]
    counted = _Counted(progress, sum(len(group) for _, group in mine))

    def unexplained() -> Iterator[tuple[str, list[Case]]]:
        """Photos whose part is missing, with their cases; attacks their group first where that was not done."""
        for i, group in mine:
            if opened.parts.done(attack_part(i)):
                counted.advance("attack", len(group))
            else:
                _attack_group(opened, i, group, counted)
            cases = {p: list(c) for p, c in groupby(_cases(opened, i), key=lambda case: case.photo_id)}
            for photo_id in group:
                if opened.parts.done(explain_part(photo_id)):
                    counted.advance("explain", 1)
                else:
                    yield photo_id, cases.get(photo_id, [])

    none: list[Case | None] = [None]
    items = ((p, case, len(cases)) for p, cases in unexplained() for case in cases or none)

    def prepare(item: _Item) -> dict[Prepare, Prepared]:
        return explaining.prepare(item[1]) if item[1] else {}

    def explain(item: tuple[_Item, dict[Prepare, Prepared]]) -> tuple[str, Explained | None, int]:
        (photo_id, case, cases), prepared = item
        return photo_id, explaining.explain(case, prepared) if case else None, cases

    def write(results: Iterable[tuple[str, Explained | None, int]]) -> None:
        for photo_id, found in groupby(results, key=lambda result: result[0]):
            explained = []
            for _, done, cases in found:
                explained += [done] if done else []
                counted.advance("explain", 1 / max(cases, 1))
            opened.parts.write(explain_part(photo_id), *_together(explained))

    with Pipeline(opened.attacking.classifier.device, opened.turns) as pipeline:
        write(pipeline.run(prepare, explain, items))


class _Counted:
    """Progress by stage, in photos."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total
        self.done = {"attack": 0.0, "explain": 0.0}

    def advance(self, stage: str, by: float) -> None:
        self.done[stage] += by
        self.progress(stage, self.done[stage], self.total)


def _attack_group(opened: Sweep, index: int, group: Sequence[str], counted: _Counted) -> None:
    """Attack the photos of a group, and write their part; the first group's tells of files passed over too."""
    sources = [opened.sources[photo_id] for photo_id in group]
    rows, seconds = opened.attacking.attack(sources, lambda share: counted.advance("attack", share * len(group)))
    if index == 0:
        rows["failures"] += [failure_row("photo", name, reason) for name, reason in opened.passed_over]
    opened.parts.write(attack_part(index), rows, seconds)


def _cases(opened: Sweep, index: int) -> Iterator[Case]:
    """The successful attempts of a group, from its part, sorted by case."""
    name = attack_part(index)
    images = {(row["owner"], row["kind"]): row["png"] for row in opened.parts.read(name, "images")}
    classes = {p["photo_id"]: (p["target_index"], p["clean_index"]) for p in opened.parts.read(name, "photos")}
    for row in opened.parts.read(name, "attempts"):
        if row["success"]:
            region = from_png(images[row["photo_id"], "segments"]) == row["segment"]
            rgb = from_png(images[row["case_id"], "adversarial"])
            photo = from_png(images[row["photo_id"], "photo"])
            target, own = classes[row["photo_id"]]
            yield Case(row["case_id"], row["photo_id"], rgb, region, target, photo, own)


def _together(explained: Sequence[Explained]) -> tuple[Rows, dict[str, float]]:
    """The rows and seconds of a photo's cases."""
    tables = ("explanations", "controls", "repeats", "images", "failures")
    seconds: dict[str, float] = {}
    for one in explained:
        for stage, value in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    return {table: [row for one in explained for row in one.rows[table]] for table in tables}, seconds
