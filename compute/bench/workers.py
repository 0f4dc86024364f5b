"""Workers beside one process: the same sweep over the same cores, once shared by Ray's workers and once in a loop."""

import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch

from compute.bench import ours
from compute.inputs import photos
from compute.networks import classifiers, engine
from compute.sweep.config import Config
from compute.sweep.run import publish
from compute.sweep.work.driver import crew

TARGET = 0.9
"""The throughput of workers, over that of one process on the same cores, is to be at least this."""


def workers(config: Config, count: int, *, rounds: int, say: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Seconds from the first photo to the published store, in turn; starting processes and opening come before them.

    Args:
        config: photos, network, device and sizes.
        count: of workers, which share the cores of the one process.
        rounds: repetitions of both; medians are told.
        say: called with what is being measured.

    Raises:
        InputError: see `run_sweep`.
    """
    engine.tune()
    device = engine.device_of(config.device)
    sources, _ = photos.find(config.photos)
    classifier = classifiers.load(config.classifier, weights=config.weights, device=device)
    one, shared = [], []
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}: one process")
        one.append(ours.sweep(config, classifier, sources).seconds)
        say(f"round {turn + 1} of {rounds}: {count} workers")
        with tempfile.TemporaryDirectory() as folder:
            opening = crew(config.but(out=folder), sources=sources, classifier=None, workers=count, ray=None)
            with opening as hired:
                hired.opened()
                started = time.perf_counter()
                hired.run((1, 1))
                publish(folder)
                shared.append(time.perf_counter() - started)
    return {
        "classifier": config.classifier,
        "device": f"{device}: {engine.device_name(device)}",
        "threads": torch.get_num_threads(),
        "photos": len(sources),
        "workers": count,
        "rounds": rounds,
        "one_process_s": statistics.median(one),
        "workers_s": statistics.median(shared),
        "photos_per_h": 3600 * len(sources) / statistics.median(shared),
        "throughput_over_one_process": statistics.median(a / b for a, b in zip(one, shared, strict=True)),
        "target": TARGET,
    }


def as_text(told: dict[str, Any]) -> str:
    """The figures in words."""
    return (
        f"{told['classifier']} on {told['device']}, {told['photos']} photos, medians of {told['rounds']} rounds: "
        f"{told['workers']} workers {told['workers_s']:.1f} s, one process on the same {told['threads']} threads "
        f"{told['one_process_s']:.1f} s; their throughput is {told['throughput_over_one_process']:.3f} of its "
        f"(to be at least {told['target']}), {told['photos_per_h']:,.0f} photos an hour."
    )
