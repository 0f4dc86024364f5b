"""The driver: hands the units of a sweep to Ray's workers, one each, and takes note of what became of them.

Finished parts are the checkpoint, so whoever dies, driver or worker, loses the units under way alone. A worker that
died is started again, and its unit with it; a unit that kills it again is to blame if the sweep can then be opened.
"""

import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from compute.errors import InputError, Notice, in_words
from compute.inputs.source import Source
from compute.networks.classifier import Classifier
from compute.networks.threads import PATIENT
from compute.store.places.bucket import RunParts, parts_at
from compute.sweep.config import Config
from compute.sweep.work.cluster import Logs, Share, connected, everywhere, here
from compute.sweep.work.opening import found_of
from compute.sweep.work.todo import Todo, Unit
from compute.sweep.work.units import Counted, Progress, share
from compute.sweep.work.worker import Order, Place, Worker

TOGETHER = {"cpu": 1, "cuda": 8}
"""Photos that a worker explains at once, by kind of device: on a GPU some are prepared while others are explained."""
RETRIES = 2
"""How often a unit is tried again whose worker died; on a busy machine an attempt may meet one that is dying."""
PATIENCE = 60
"""Seconds without a worker after which users are told why they wait."""


@dataclass(eq=False)
class _Hired:
    """An actor, where it is, and the unit of which it died until that is settled."""

    actor: Any
    pid: int = 0
    blamed: Unit | None = None


@contextlib.contextmanager
def crew(
    config: Config, *, sources: Sequence[Source] | None, classifier: Classifier | None, workers: int, ray: str | None
) -> Iterator["Crew"]:
    """Workers that are opening a sweep; they end when this is left. For arguments and errors see `run_sweep`."""
    parts = parts_at(config.out)
    device = config.device if classifier is None else classifier.device.type
    found, passed = found_of(config, sources)
    local = here(device, workers)
    with connected(ray, local) as logs:
        given = everywhere(device, workers) if ray else local
        order = Order(config, found, passed, classifier, given.threads)
        yield Crew(order, parts, given, logs)


class Crew:
    """Ray's actors, each with an opened sweep, and what they are at."""

    def __init__(self, order: Order, parts: RunParts, given: Share, logs: Logs) -> None:
        import ray

        self.parts, self._order, self._logs, self._ray, self._workers = parts, order, logs, ray, given.workers
        try:
            self._told = partial(ray.get, ray.put(order))
        except Exception as error:  # whatever the classes of a network raise
            raise InputError(
                f"--workers: the photos or the classifier cannot be sent to them ({in_words(error)}); "
                "run this sweep without workers"
            ) from error
        actor = ray.remote(Worker).options(
            num_cpus=given.threads,
            num_gpus=given.gpus,
            max_restarts=-1,
            max_task_retries=RETRIES,
            runtime_env={"env_vars": dict(PATIENT) if given.threads == 1 else {}},
        )
        self._under_way: dict[Any, tuple[_Hired, Unit | None]] = {}
        """By reference: a worker, and its unit; None while it opens the sweep."""
        self._devices: dict[str, str] = {}
        for _ in range(given.workers):
            self._open(_Hired(actor.remote(Path.cwd(), sys.path)))

    def opened(self) -> None:
        """Wait until every worker has opened the sweep, or failed to."""
        self._ray.wait(list(self._under_way), num_returns=len(self._under_way))

    def run(self, shard: tuple[int, int], progress: Progress = lambda stage, done, total: None) -> None:
        """Do what is left of a shard.

        Raises:
            InputError: a worker's, or no worker is left.
        """
        todo: Todo | None = None
        idle: list[_Hired] = []
        reason = ""
        while self._under_way:
            worker, unit, answer, reason = self._next()
            if reason and unit:
                worker.blamed = unit
                self._open(worker)
            elif reason:
                warnings.warn(Notice(f"a worker is given up: {reason}"), stacklevel=2)
                if todo and worker.blamed:
                    todo.again(worker.blamed)
            else:
                todo = todo or self._todo(shard, progress)
                if unit:
                    todo.done(unit, answer)
                else:
                    self._settle(todo, worker, answer)
                idle.append(worker)
            while idle and todo and (unit := todo.next()):
                self._start(idle.pop(), unit)
        if not idle:
            raise InputError(f"--workers: none is left that can go on ({reason}); what is finished is kept")

    def _todo(self, shard: tuple[int, int], progress: Progress) -> Todo:
        """What is to be done, from the record that the first worker has written."""
        run = self.parts.run()
        mine = share(run["photos"], run["config"]["group"], shard)
        counted = Counted(progress, sum(len(group) for _, group in mine))
        together = TOGETHER[run["device"]["kind"]]
        passed, workers = self._order.passed_over, self._workers
        return Todo(self.parts, mine, together=together, workers=workers, passed_over=passed, counted=counted)

    def _open(self, worker: _Hired) -> None:
        self._under_way[worker.actor.open.remote(self._told)] = worker, None

    def _start(self, worker: _Hired, unit: Unit) -> None:
        method = getattr(worker.actor, unit.stage)
        self._under_way[method.remote(self._told, unit.group, unit.photos)] = worker, unit

    def _next(self) -> tuple[_Hired, Unit | None, Any, str]:
        """The next worker that is done, with what, and with its answer; or with the reason why it died."""
        from ray.exceptions import RayError, RayTaskError

        done, _ = self._ray.wait(list(self._under_way), timeout=None if self._devices else PATIENCE)
        if not done:
            cores = self._order.threads
            warnings.warn(Notice(f"still no worker: the cluster has no {cores} free cores, or no GPU"), stacklevel=3)
            done, _ = self._ray.wait(list(self._under_way))
        worker, unit = self._under_way.pop(done[0])
        try:
            answer, notices = self._ray.get(done[0])
        except RayTaskError as error:
            raise error.cause from error
        except RayError as error:
            return worker, unit, None, in_words(error)
        for notice in notices:
            warnings.warn(Notice(notice), stacklevel=3)
        return worker, unit, answer, ""

    def _settle(self, todo: Todo, worker: _Hired, place: Place) -> None:
        """A worker has opened the sweep: so the unit of which it died, if it did, is to blame."""
        self._devices.setdefault(place.device, place.node)
        if len(self._devices) > 1:
            told = ", ".join(f"{device} on {node}" for device, node in self._devices.items())
            raise InputError(f"--ray: workers have different devices ({told}), which round differently; give one kind")
        if unit := worker.blamed:
            said = self._logs.word(worker.pid) or "killed, as by the system where memory runs out"
            reason = f"its worker died, {1 + RETRIES} times: {said}"
            warnings.warn(Notice(f"{', '.join(unit.photos)}: {reason}"), stacklevel=3)
            todo.lost(unit, reason)
        worker.pid, worker.blamed = place.pid, None
