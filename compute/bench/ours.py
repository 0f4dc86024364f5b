"""wolfspider's side of the benchmark: a whole sweep, LIME alone, the attack alone."""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from compute.attacks import Job, Settings, attack
from compute.bench.limit import Rates, wait
from compute.explainers import Task
from compute.explainers.base import seed_of
from compute.explainers.guard import Guard
from compute.explainers.perturbation import lime, samples
from compute.inputs import photos
from compute.inputs.regions import Segmentation, largest
from compute.inputs.source import Source
from compute.networks.classifier import Classifier
from compute.networks.engine import Probabilities
from compute.scoring.entry import EntryMap, entry_of_superpixels
from compute.scoring.presentations import methods
from compute.store.opening import Store
from compute.store.png import from_png
from compute.sweep.asking import Asking, Case
from compute.sweep.config import Config
from compute.sweep.explaining import Explaining
from compute.sweep.pipeline import Pipeline
from compute.sweep.sweep import finish
from compute.sweep.turns import Turns
from compute.sweep.work.opening import open_sweep

ATTACK_STEPS = 10


@dataclass(frozen=True)
class Swept:
    """A whole sweep.

    Attributes:
        seconds: from the first photo to the published store; making the engine's passes comes before.
        stages: seconds by stage, from its manifest.
        gradients: images that its attacks took forward and backward.
        explained: cases that LIME and the gradient explainers explained.
        attempts: all of them, with the case where it succeeded.
        entries: LIME's entry maps by case.
    """

    seconds: float
    stages: dict[str, float]
    gradients: int
    explained: int
    attempts: list[tuple[Job, Case | None]]
    entries: dict[str, EntryMap]

    @property
    def cases(self) -> list[Case]:
        """Its cases."""
        return [case for _, case in self.attempts if case]

    def stages_at(self, rates: Rates, config: Config) -> dict[str, float]:
        """Seconds that the passes of each stage take at the limit."""
        lime_passes = self.explained * config.lime_samples
        return {
            "attack": self.gradients / rates.backward,
            "lime": lime_passes / rates.forward,
            "saliency": self.explained / rates.backward,
            "guided_backprop": self.explained / rates.backward,
        }


def sweep(config: Config, classifier: Classifier, sources: Sequence[Source]) -> Swept:
    """Sweep into a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        opened = open_sweep(config.but(out=folder), sources=sources, classifier=classifier)
        started = time.perf_counter()
        store = finish(opened)
        seconds = time.perf_counter() - started
        assert store is not None
        with store.connect() as connection:
            gradients, explained = connection.execute(
                "select (select sum(iterations + 1) from attempts), (select count(distinct case_id) from explanations)"
            ).fetchall()[0]
            rows = connection.execute("select owner, png from images where kind = 'entry:lime'").fetchall()
        entries = {case_id: from_png(png) for case_id, png in rows}
        return Swept(
            seconds, dict(store.manifest["seconds"]), gradients, explained, _attempts(store, sources, config), entries
        )


def _attempts(store: Store, sources: Sequence[Source], config: Config) -> list[tuple[Job, Case | None]]:
    """The attempts of a store, as jobs, and as cases where they succeeded."""
    size = store.manifest["classifier"]["size"]
    rgb = {s.photo_id: photos.load(s, size).rgb for s in sources}
    with store.connect() as connection:
        rows = connection.execute(
            """select case_id, photo_id, region_rank, success, target_index, s.png, a.png from attempts
               join photos using (photo_id)
               join images s on s.owner = photo_id and s.kind = 'segments'
               join images a on a.owner = case_id and a.kind = 'adversarial' order by case_id"""
        ).fetchall()
    found = []
    for case_id, photo_id, rank, success, target, segments, adversarial in rows:
        region = next(r for r in largest(from_png(segments), config.regions) if r.rank == rank)
        case = Case(case_id, photo_id, from_png(adversarial), region.mask, target, rgb[photo_id], target)
        found.append((Job(case_id, photo_id, rgb[photo_id], region, target), case if success else None))
    return found


def lime_rate(config: Config, classifier: Classifier, probabilities: Probabilities, cases: Sequence[Case]) -> float:
    """LIME's samples per second over several cases, explained as a sweep does."""
    asking = Asking(
        network=classifier.network,
        probabilities=probabilities,
        batch=config.batch,
        lime_samples=config.lime_samples,
        seed=config.seed,
        turns=Turns(),
    )
    lime_alone = Explaining(methods(["lime"]), asking, config.smooth, causal=False, controls=())
    started = time.perf_counter()
    with Pipeline(classifier.device, asking.turns) as pipeline:
        for _ in pipeline.run(lime_alone.prepare, lambda item: lime_alone.explain(*item), cases):
            pass
    return len(cases) * config.lime_samples / (time.perf_counter() - started)


def guard_seconds(classifier: Classifier, probabilities: Probabilities) -> float:
    """Median seconds that the guard around an explainer from outside takes a case."""
    guard, took = Guard(classifier.network, classifier.example(), probabilities), []
    for _ in range(20):
        started = time.perf_counter()
        guard.call("nothing", lambda: None)
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def attack_rate(config: Config, classifier: Classifier, sources: Sequence[Source], target: int) -> float:
    """Attack steps per second: attempts that cannot succeed, for as many steps as it takes."""
    jobs = []
    for source in sources:
        rgb = photos.load(source, classifier.size).rgb
        jobs += [
            Job(f"{source.photo_id}-{r.rank}", source.photo_id, rgb, r, target)
            for r in largest(Segmentation().of(rgb), 10)
        ]
    jobs = jobs[: config.batch]
    settings = Settings(iterations=ATTACK_STEPS, patience=ATTACK_STEPS, confidence=1.1)
    started = time.perf_counter()
    done = list(attack(classifier, jobs, settings, batch=config.batch))
    return sum(a.iterations + 1 for a in done) / (time.perf_counter() - started)


def same_superpixels(swept: Swept, found: Mapping[str, Sequence[int]]) -> bool:
    """Whether a sweep's LIME chose the same superpixels in the same order, up to the 20th, as `found` by case."""
    return all(
        np.array_equal(
            swept.entries[case.case_id], entry_of_superpixels(samples.superpixels(case.rgb), found[case.case_id])
        )
        for case in swept.cases
    )


def lime_stages(config: Config, classifier: Classifier, probabilities: Probabilities, case: Case) -> dict[str, float]:
    """Seconds of one LIME case, stage by stage, one after another with nothing beside it."""
    marks = [time.perf_counter()]
    spent = 0.0

    def timed(images: Tensor) -> Tensor:
        nonlocal spent
        started = time.perf_counter()
        found = probabilities(images)
        wait(classifier.device)
        spent += time.perf_counter() - started
        return found

    seed = seed_of(config.seed, case.case_id, "lime")
    count, batch = config.lime_samples, config.batch
    task = Task(classifier.network, case.rgb, case.target, seed, timed, lime_samples=count, batch=batch)
    segments = samples.superpixels(task.rgb)
    marks.append(time.perf_counter())
    draws = lime.draw(task, int(segments.max()) + 1)
    marks.append(time.perf_counter())
    found = samples.drawn(task, draws, segments)
    marks.append(time.perf_counter())
    lime.fit(draws, found)
    marks.append(time.perf_counter())
    segmented, prepare, sample, fit = np.diff(marks).tolist()
    return {"quickshift": segmented, "draws": prepare, "compose": sample - spent, "network": spent, "surrogate": fit}
