"""A sweep, checked and ready to run: its photos, its network, its explainers, and the folder it claims."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

from compute.attacks import Settings
from compute.explainers.guard import Guard
from compute.inputs import photos
from compute.inputs.regions import Segmentation
from compute.inputs.source import Passed, Source, unique
from compute.networks import classifiers, engine, threads
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine
from compute.scoring.presentations import Method, methods
from compute.store.places.bucket import RunParts, parts_at
from compute.sweep.asking import Asking
from compute.sweep.attacking import RANDOM, Attacking, aimed_at
from compute.sweep.config import Config
from compute.sweep.controlling import CONTROLS
from compute.sweep.explaining import Explaining
from compute.sweep.run import record
from compute.sweep.turns import Turns

GROUP = {"cpu": 8, "cuda": 56}
"""Photos whose attempts share batches: the more, the fewer passes run half empty; an interruption costs a group."""


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
    found, passed = found_of(config, sources)
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
                "threads": threads.cores(),
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


def found_of(config: Config, sources: Sequence[Source] | None) -> tuple[list[Source], Passed]:
    """The photos of a sweep, each once, and (name, reason) of what was passed over; see `open_sweep`."""
    return unique(sources) if sources is not None else photos.find(config.photos)


def attack_of(config: Config) -> Settings:
    """The settings of a configuration's attack."""
    return Settings(**{f.name: getattr(config, f.name) for f in fields(Settings)})


def passes_of(config: Config, asked: Sequence[Method], photos: int) -> int:
    """Passes without gradients that a configuration takes about, at most: those of explainers by samples."""
    sampling = {m.explainer.name for m in asked if m.explainer.samples}
    return photos * config.regions * config.lime_samples * len(sampling) * config.seeds
