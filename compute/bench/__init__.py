"""`wolfspider bench`: how near the network's own speed everything runs, as ratios measured side by side in one run."""

import multiprocessing
import os
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from compute.bench import ours
from compute.bench.limit import Rates, limit, wait
from compute.bench.loop import LoopItem, LoopResult, run_loop
from compute.bench.ours import Swept
from compute.errors import InputError
from compute.explainers.base import seed_of
from compute.inputs import photos
from compute.inputs.source import Source
from compute.networks import classifiers, engine
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine, Probabilities
from compute.scoring.presentations import methods
from compute.sweep.config import Config
from compute.sweep.work.opening import attack_of, passes_of

LIME_CASES = 4
"""Cases that LIME alone is measured on."""


def bench(
    config: Config, *, untrained: bool, rounds: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measure everything; `config` says which classifier, device, photos and sizes.

    In each round the limit is measured between the other measurements, and each of them is held against its two
    neighbours; ratios are medians over the rounds.

    Args:
        untrained: take the architecture with random weights, where the real ones cannot be had.
        rounds: interleaved repetitions.
        say: called with what is being measured.
    """
    config = config.but(causal="none", controls="none")  # the user's own loop has neither
    engine.tune()
    device = engine.device_of(config.device)
    sources, _ = photos.find(config.photos)
    classifier = classifiers.load(config.classifier, weights=config.weights, untrained=untrained, device=device)
    if untrained:  # no attack reaches wolf spider through random weights: take the class that is nearly predicted
        config = config.but(target=str(_runner_up(classifier, sources)))
    target = classifier.index_of(config.target)
    weights = Path(config.weights) if config.weights else None
    original = classifiers.recipe(config.classifier).network(weights, untrained=untrained)
    say("making the engine")
    config, probabilities, warm_up = _warm_up(classifier, config, len(sources))
    say("the limit: raw passes")
    best = limit(classifier, config, rounds)
    lime_rates, attack_rates, sweeps, loops, limits = [], [], [], [], [best.now()]
    for turn in range(rounds):
        head = f"round {turn + 1} of {rounds}: "
        say(head + "the whole sweep")
        sweeps.append(ours.sweep(config, classifier, sources))
        limits.append(best.now())
        if not sweeps[0].cases:
            raise InputError(
                f"bench --classifier {config.classifier}: no attack succeeded; give more --photos or --regions"
            )
        say(head + "LIME")
        lime_rates.append(ours.lime_rate(config, classifier, probabilities, sweeps[0].cases[:LIME_CASES]))
        limits.append(best.now())
        say(head + "the attack")
        attack_rates.append(ours.attack_rate(config, classifier, sources, target))
        limits.append(best.now())
        say(head + "the user's own loop")
        loops.append(_loop(config, original, device, sweeps[0]))
    near = [Rates(*((a + b) / 2 for a, b in zip(*pair, strict=True))) for pair in pairwise(limits)]
    at_limit = [s.stages_at(r, config) for s, r in zip(sweeps, near[::3], strict=True)]
    lime_over = [rate / r.forward for rate, r in zip(lime_rates, near[1::3], strict=True)]
    attack_over = [rate / r.backward for rate, r in zip(attack_rates, near[2::3], strict=True)]
    efficiencies = [sum(a.values()) / s.seconds for a, s in zip(at_limit, sweeps, strict=True)]
    speedups = [sum(loop.seconds.values()) / s.seconds for loop, s in zip(loops, sweeps, strict=True)]
    middle = statistics.median
    return {
        "classifier": config.classifier + (" (untrained)" if untrained else ""),
        "device": str(device),
        "engine": config.engine,
        "precision": config.precision,
        "batch": config.batch,
        "lime_samples": config.lime_samples,
        "attempts": len(sweeps[0].attempts),
        "cases": len(sweeps[0].cases),
        "rounds": rounds,
        "warm_up_s": warm_up,
        "limit_images_per_s": middle(r.forward for r in limits),
        "limit_at": best.forward,
        "limit_backward_images_per_s": middle(r.backward for r in limits),
        "limit_backward_at": best.backward,
        "rates": best.rates,
        "lime_samples_per_s": middle(lime_rates),
        "lime_over_limit": middle(lime_over),
        "lime_stages_s": ours.lime_stages(config, classifier, probabilities, sweeps[0].cases[0]),
        "guard_s": ours.guard_seconds(classifier, probabilities),
        "attack_steps_per_s": middle(attack_rates),
        "attack_over_limit": middle(attack_over),
        "sweep_s": middle(s.seconds for s in sweeps),
        "sweep_efficiency": middle(efficiencies),
        "sweep_stages_s": {k: middle(s.stages[k] for s in sweeps) for k in sweeps[0].stages},
        "sweep_stages_at_limit_s": {k: middle(a[k] for a in at_limit) for k in at_limit[0]},
        "loop_s": middle(sum(loop.seconds.values()) for loop in loops),
        "loop_stages_s": {k: middle(loop.seconds[k] for loop in loops) for k in loops[0].seconds},
        "speedup_over_loop": middle(speedups),
        "all_rounds": {
            "lime_over_limit": lime_over,
            "attack_over_limit": attack_over,
            "sweep_efficiency": efficiencies,
            "speedup_over_loop": speedups,
        },
        "same_superpixels": ours.same_superpixels(sweeps[0], loops[0].superpixels),
    }


def _warm_up(classifier: Classifier, config: Config, photos_: int) -> tuple[Config, Probabilities, float]:
    """The resolved configuration and its passes, and the seconds until the first of them was done."""
    started = time.perf_counter()
    asked = Engine(config.engine, config.precision, config.batch)
    chosen, probabilities = engine.ready(classifier, asked, passes=passes_of(config, methods(["lime"]), photos_))
    probabilities(classifier.example())
    wait(classifier.device)
    return config.but(engine=chosen.name, batch=chosen.batch), probabilities, time.perf_counter() - started


def _runner_up(classifier: Classifier, sources: Sequence[Source]) -> int:
    """The class that an untrained network predicts second on the first photo."""
    rgb = photos.load(sources[0], classifier.size).rgb
    with torch.inference_mode():
        x = torch.from_numpy(rgb).permute(2, 0, 1)[None].float().div(255).to(classifier.device)
        return int(classifier.network(x)[0].topk(2).indices[1])


def _loop(config: Config, network: nn.Module, device: torch.device, swept: Swept) -> LoopResult:
    """The user's own loop over the attempts of a sweep, in a process that nothing of ours has tuned."""
    items = [
        LoopItem(job, case.rgb if case else None, seed_of(config.seed, job.case_id, "lime"))
        for job, case in swept.attempts
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=end_with_parent) as pool:
        return pool.submit(run_loop, network, str(device), items, attack_of(config), config.lime_samples).result()


def end_with_parent() -> None:
    """Let this process end when the one that started it has ended, however that was."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
