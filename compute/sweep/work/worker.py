"""A worker: a process that holds an opened sweep and does its units. Ray makes an actor of it; nothing here knows."""

import contextlib
import functools
import os
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from compute.errors import InputError, Notice
from compute.inputs.source import Passed, Source
from compute.networks import engine, threads
from compute.networks.classifier import Classifier
from compute.sweep.config import Config
from compute.sweep.work import units
from compute.sweep.work.opening import Sweep, open_sweep


@dataclass(frozen=True)
class Order:
    """What a worker is told.

    Attributes:
        config: the configuration.
        sources: the photos, which must lie at the same place for all workers.
        passed_over: (name, reason) of what is none.
        classifier: a classifier of one's own, instead of `config.classifier`.
        threads: of torch; cores that are this worker's.
    """

    config: Config
    sources: Sequence[Source]
    passed_over: Passed
    classifier: Classifier | None
    threads: int


Told = Callable[[], Order]
"""Fetches the order, which is large, where it is wanted."""


class Place(NamedTuple):
    """Where a worker is: name of the machine, process, device."""

    node: str
    pid: int
    device: str


def _heard(method: Callable[..., Any]) -> Callable[..., tuple[Any, list[str]]]:
    """The method, with the notices that users should see: a worker has no terminal."""

    @functools.wraps(method)
    def call(*args: Any) -> tuple[Any, list[str]]:
        with warnings.catch_warnings(record=True) as said:
            value = method(*args)
        return value, [str(warning.message) for warning in said if issubclass(warning.category, Notice)]

    return call


class Worker:
    """Does units of a sweep, which it opens when the first is asked for: after a restart too."""

    def __init__(self, folder: Path, path: Sequence[str]) -> None:
        """Begin where the driver is, as far as this machine has that: working directory, and where modules are."""
        with contextlib.suppress(OSError):
            os.chdir(folder)
        sys.path += [place for place in path if place not in sys.path]
        self._opened: Sweep | None = None

    @_heard
    def open(self, order: Told) -> Place:
        """Open the sweep; InputError where this machine would compute something else than the first that did."""
        return Place(platform.node(), os.getpid(), engine.device_name(self._sweep(order).attacking.classifier.device))

    @_heard
    def attack(self, order: Told, index: int, group: Sequence[str]) -> None:
        """Attack a group and write its part."""
        units.attack(self._sweep(order), index, group, _unheard)

    @_heard
    def alone(self, order: Told, _: int, photo_ids: Sequence[str]) -> units.Found:
        """What came of attacking photos without the rest of their group."""
        return units.attacked(self._sweep(order), photo_ids, _unheard)

    @_heard
    def explain(self, order: Told, index: int, photo_ids: Sequence[str]) -> None:
        """Explain photos of a group, and write their parts."""
        opened = self._sweep(order)
        units.explain(opened, units.cases(opened, index, photo_ids).items(), _unheard)

    def _sweep(self, told: Told) -> Sweep:
        if self._opened:
            return self._opened
        order = told()
        threads.take(order.threads)
        opened = open_sweep(order.config, sources=order.sources, classifier=order.classifier)
        if opened.explaining is None:
            raise InputError(f"--out {order.config.out}: was published meanwhile, by another process")
        self._opened = replace(opened, passed_over=tuple(order.passed_over))
        return self._opened


def _unheard(_: float) -> None:
    """Progress within a unit."""
