"""`wolfspider bench`: how near the network's own speed everything runs, as ratios measured side by side in one run."""

import dataclasses
import importlib.util
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from compute import classifiers, engine, photos
from compute.attack import BIM, Job, attack
from compute.classifiers import Classifier
from compute.config import Config
from compute.errors import InputError
from compute.evaluate import Case, Turns, explain_case, prepare_case
from compute.explainers import EXPLAINERS, Superpixels, Task, lime
from compute.explainers.base import seed_of
from compute.limit import Counting, Limit, limit, wait
from compute.loop import LoopCase, run_loop
from compute.photos import Source
from compute.pipeline import Pipeline
from compute.regions import largest, segment
from compute.sweep import run_sweep

ATTACK_STEPS = 10


def bench(
    config: Config, *, untrained: bool, rounds: int, cases: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure everything; `config` says which classifier, device, photos and sizes.

    Args:
        untrained: take the architecture with random weights, where the real ones cannot be had.
        rounds: interleaved repetitions; medians are reported.
        cases: how many cases the LIME and loop measurements take.
        say: called with what is being measured.
    """
    if importlib.util.find_spec("captum") is None:
        raise InputError('bench: the user\'s own loop needs captum; pip install "wolfspider[bench]", or captum')
    engine.tune()
    device = engine.device_of(config.device)
    sources, _ = photos.find(config.photos)
    config = engine.resolved(config, device.type, photos=len(sources))
    classifier = classifiers.load(config.classifier, weights=config.weights, untrained=untrained, device=device)
    if untrained:  # no attack reaches wolf spider through random weights: take the class that is nearly predicted
        config = dataclasses.replace(config, target=str(_runner_up(classifier, sources)))
    target = classifier.index_of(config.target)
    say("the limit: raw passes")
    compile_seconds = _warm_up(classifier, config)
    found = limit(classifier, config, rounds)
    sweeps = []
    for turn in range(rounds):
        say(f"the whole sweep, round {turn + 1} of {rounds}")
        sweeps.append(_sweep(config, classifier, sources, found))
    mine = sweeps[0]["cases"][:cases]
    if not mine:
        raise InputError(
            f"bench --classifier {config.classifier}: no attack succeeded; give more --photos or --regions"
        )
    weights = Path(config.weights) if config.weights else None
    original = classifiers.recipe(config.classifier).network(weights, untrained=untrained)
    limes, attacks, ours, loops = [], [], [], []
    for turn in range(rounds):
        say(f"LIME, attack and {len(mine)} cases, round {turn + 1} of {rounds}")
        limes.append(_lime(config, classifier, mine))
        attacks.append(_attack(config, classifier, sources, target))
        ours.append(_ours(config, classifier, mine, target))
        say(f"the user's own loop on {len(mine)} cases, round {turn + 1} of {rounds}")
        loops.append(_loop(config, original, device, mine, target))
    probabilities = engine.probabilities(classifier, config)
    superpixels = [_ranked(_task(config, classifier, case, target, probabilities)) for _, case in mine]
    median = statistics.median
    lime_rate, attack_rate = median(limes), median(attacks)
    loop_seconds = median([sum(r.seconds.values()) for r in loops])
    our_seconds = median(ours)
    return {
        "classifier": config.classifier + (" (untrained)" if untrained else ""),
        "device": str(device),
        "engine": config.engine,
        "precision": config.precision,
        "batch": config.batch,
        "lime_samples": config.lime_samples,
        "cases": len(mine),
        "rounds": rounds,
        "warm_up_s": compile_seconds,
        "limit_images_per_s": found.forward,
        "limit_batch": found.forward_batch,
        "limit_backward_images_per_s": found.backward,
        "limit_backward_batch": found.backward_batch,
        "rates": found.rates,
        "lime_samples_per_s": lime_rate,
        "lime_over_limit": lime_rate / found.forward,
        "lime_stages_s": _lime_stages(config, classifier, mine[0], target),
        "attack_steps_per_s": attack_rate,
        "attack_over_limit": attack_rate / found.backward,
        "sweep_s": median([s["seconds"] for s in sweeps]),
        "sweep_at_limit_s": median([s["at_limit"] for s in sweeps]),
        "sweep_efficiency": median([s["at_limit"] / s["seconds"] for s in sweeps]),
        "sweep_stages_s": sweeps[0]["stages"],
        "ours_s": our_seconds,
        "loop_s": loop_seconds,
        "loop_stages_s": {k: median([r.seconds[k] for r in loops]) for k in loops[0].seconds},
        "speedup_over_loop": loop_seconds / our_seconds,
        "same_superpixels": superpixels == loops[0].superpixels,
        "same_top_20": [a[:20] for a in superpixels] == [b[:20] for b in loops[0].superpixels],
    }


def _lime_stages(config: Config, classifier: Classifier, case: tuple[Job, Case], target: int) -> dict[str, float]:
    """Seconds of one LIME case, stage by stage, one after another with nothing beside it."""
    marks = [time.perf_counter()]
    spent = 0.0
    probabilities = engine.probabilities(classifier, config)

    def timed(images: Tensor) -> Tensor:
        nonlocal spent
        started = time.perf_counter()
        found = probabilities(images)
        wait(classifier.device)
        spent += time.perf_counter() - started
        return found

    task = _task(config, classifier, case[1], target, timed)
    segments = lime.superpixels(task.rgb)
    marks.append(time.perf_counter())
    draws = lime.draw(task, int(segments.max()) + 1)
    hidden = lime.hidden_image(task.rgb / 255.0, segments)
    marks.append(time.perf_counter())
    found = lime.sample_probabilities(task, draws, segments, hidden)
    marks.append(time.perf_counter())
    lime.fit(draws, found)
    marks.append(time.perf_counter())
    segmented, prepare, sample, fit = np.diff(marks).tolist()
    return {"quickshift": segmented, "draws": prepare, "compose": sample - spent, "network": spent, "surrogate": fit}


def _warm_up(classifier: Classifier, config: Config) -> float:
    """Seconds of the first pass of the configured engine: compilation, where there is one."""
    started = time.perf_counter()
    x = torch.rand(config.batch, 3, classifier.size, classifier.size, device=classifier.device)
    engine.probabilities(classifier, config)(x.contiguous(memory_format=torch.channels_last))
    wait(classifier.device)
    return time.perf_counter() - started


def _runner_up(classifier: Classifier, sources: Sequence[Source]) -> int:
    """The class that an untrained network predicts second on the first photo."""
    rgb = photos.load(sources[0], classifier.size).rgb
    with torch.inference_mode():
        x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float().div(255).to(classifier.device)
        return int(classifier.network(x)[0].topk(2).indices[1])


def _sweep(config: Config, classifier: Classifier, sources: Sequence[Source], found: Limit) -> dict[str, Any]:
    """One whole sweep into a folder that is thrown away: its seconds, and those that its passes take at the limit."""
    counting = Counting(classifier.network)
    with tempfile.TemporaryDirectory() as folder:
        run = dataclasses.replace(config, out=folder)
        started = time.perf_counter()
        store = run_sweep(run, sources=sources, classifier=dataclasses.replace(classifier, network=counting))
        seconds = time.perf_counter() - started
        assert store is not None
        cases = _read_cases(store, sources, classifier)
        stages = dict(store.manifest["seconds"])
    return {"seconds": seconds, "at_limit": counting.seconds_at(found), "cases": cases, "stages": stages}


def _read_cases(store: Any, sources: Sequence[Source], classifier: Classifier) -> list[tuple[Job, Case]]:
    """The cases of a store as jobs to attack and images to explain."""
    rgb = {s.photo_id: photos.load(s, classifier.size).rgb for s in sources}
    with store.connect() as connection:
        rows = connection.execute(
            """select case_id, photo_id, segment, region_rank, s.png, a.png from cases
               join images s on s.owner = photo_id and s.kind = 'segments'
               join images a on a.owner = case_id and a.kind = 'adversarial' order by case_id"""
        ).fetchall()
    target = int(store.manifest["target"]["index"])
    pairs = []
    for case_id, photo_id, label, rank, segments, adversarial in rows:
        regions = largest(photos.from_png(segments), rank)
        region = next(r for r in regions if r.segment == label)
        case = Case(case_id, photo_id, photos.from_png(adversarial), region.mask, target)
        pairs.append((Job(case_id, photo_id, rgb[photo_id], region), case))
    return pairs


def _task(
    config: Config, classifier: Classifier, case: Case, target: int, probabilities: Callable[[Tensor], Tensor]
) -> Task:
    seed = seed_of(config.seed, case.case_id, "lime")
    samples = config.lime_samples
    return Task(classifier.network, case.rgb, target, seed, probabilities, lime_samples=samples, batch=config.batch)


def _explain(config: Config, classifier: Classifier, mine: Sequence[tuple[Job, Case]], names: Sequence[str]) -> None:
    """Explain cases as the sweep does."""
    turns, explainers = Turns(), [EXPLAINERS[name] for name in names]
    probabilities = engine.probabilities(classifier, config)

    def explain(item: tuple[Case, dict[str, Any]]) -> None:
        explain_case(*item, explainers, classifier, config, probabilities, turns)

    with Pipeline(classifier.device, turns) as pipeline:
        for _ in pipeline.run(lambda case: prepare_case(case, explainers), explain, [case for _, case in mine]):
            pass


def _lime(config: Config, classifier: Classifier, mine: Sequence[tuple[Job, Case]]) -> float:
    """LIME's samples per second over several cases."""
    started = time.perf_counter()
    _explain(config, classifier, mine, ["lime"])
    return len(mine) * config.lime_samples / (time.perf_counter() - started)


def _attack(config: Config, classifier: Classifier, sources: Sequence[Source], target: int) -> float:
    """Attack steps per second: attempts that cannot succeed, for as many steps as it takes."""
    jobs = []
    for source in sources:
        rgb = photos.load(source, classifier.size).rgb
        labels = segment(rgb, scale=config.scale, sigma=config.sigma, min_size=config.min_size)
        jobs += [Job(f"{source.photo_id}-{r.rank}", source.photo_id, rgb, r) for r in largest(labels, config.regions)]
    jobs = jobs[: config.batch]
    settings = BIM(target=target, iterations=ATTACK_STEPS, patience=ATTACK_STEPS, confidence=1.1)
    started = time.perf_counter()
    done = list(attack(classifier, jobs, settings, batch=config.batch))
    return sum(a.iterations + 1 for a in done) / (time.perf_counter() - started)


def _ours(config: Config, classifier: Classifier, mine: Sequence[tuple[Job, Case]], target: int) -> float:
    """Seconds for the cases that the loop does."""
    started = time.perf_counter()
    for _ in attack(classifier, [job for job, _ in mine], BIM.of(config, target), batch=config.batch):
        pass
    _explain(config, classifier, mine, ["saliency", "guided_backprop", "lime"])
    return time.perf_counter() - started


def _loop(
    config: Config, network: nn.Module, device: torch.device, mine: Sequence[tuple[Job, Case]], target: int
) -> Any:
    """The user's own loop, in a process that nothing of ours has tuned."""
    cases = [LoopCase(job, seed_of(config.seed, case.case_id, "lime")) for job, case in mine]
    context = multiprocessing.get_context("spawn")
    images = [case.rgb for _, case in mine]
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        arguments = (network, str(device), cases, images, BIM.of(config, target), config.lime_samples)
        return pool.submit(run_loop, *arguments).result()


def _ranked(task: Task) -> list[int]:
    found = lime.lime(task)
    assert isinstance(found, Superpixels)
    return list(found.ranked)


def as_table(found: dict[str, Any]) -> RenderableType:
    """The figures for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("Measure", "left"), ("Value", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    rows = (
        ("limit, forward", f"{found['limit_images_per_s']:.1f}", f"images/s at batch {found['limit_batch']}"),
        (
            "limit, forward + backward",
            f"{found['limit_backward_images_per_s']:.1f}",
            f"images/s at batch {found['limit_backward_batch']}",
        ),
        ("LIME over the limit", f"{found['lime_over_limit']:.3f}", f"{found['lime_samples_per_s']:.1f} samples/s"),
        ("attack over the limit", f"{found['attack_over_limit']:.3f}", f"{found['attack_steps_per_s']:.1f} steps/s"),
        (
            "whole sweep's efficiency",
            f"{found['sweep_efficiency']:.3f}",
            f"{found['sweep_at_limit_s']:.1f} s at the limit, {found['sweep_s']:.1f} s measured",
        ),
        (
            "faster than the user's own loop",
            f"{found['speedup_over_loop']:.2f}x",
            f"{found['loop_s']:.1f} s against {found['ours_s']:.1f} s for {found['cases']} cases",
        ),
        ("same superpixels as lime's", "yes" if found["same_top_20"] else "no", "top 20, same draws"),
    )
    for row in rows:
        table.add_row(*row)
    stages = ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in found["lime_stages_s"].items())
    setup = f"{found['engine']}, {found['precision']}, batch {found['batch']}, {found['lime_samples']} LIME samples"
    head = f"{found['classifier']} on {found['device']}: {setup}; medians of {found['rounds']} rounds"
    foot = f"One LIME case alone, seconds: {stages}. First pass, apart: {found['warm_up_s']:.1f} s."
    return Group(Text(head), table, Text(foot))
