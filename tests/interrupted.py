"""Sweeps in processes of their own that are killed at a chosen point, or interrupted as by Ctrl-C."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import tiny
import torch

from compute.__main__ import main
from compute.explainers import EXPLAINERS, Explainer, Task
from compute.networks import classifiers
from compute.store import durable
from compute.store.parts import Parts
from compute.store.places import remote
from compute.store.tables import publishing


def _killing(function: Callable[..., Any], at: int, *, after: bool = False) -> Callable[..., Any]:
    """The function, whose `at`-th call the process does not survive."""
    calls = 0

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def sweep_until(out: str | Path, point: str, at: int, **options: Any) -> None:
    """Sweep until a point is reached for the `at`-th time, then die without a word."""
    where: dict[str, tuple[Any, str, bool]] = {
        "begun": (Parts, "begin", True),  # the folder is claimed
        "file": (durable, "write", True),  # a part is half written
        "draft": (durable, "rename", False),  # a part is written, not yet in its place
        "part": (Parts, "write", True),  # a part is in its place
        "object": (remote, "create", True),  # a part is in its bucket
        "join": (publishing, "_batches", False),  # a table is being published
        "manifest": (shutil, "rmtree", False),  # all is published, the parts are still there
    }
    owner, name, after = where[point]
    setattr(owner, name, _killing(getattr(owner, name), at, after=after))
    tiny.sweep(out, **options)


def command(out: Path, words: list[str], busy: Event | None = None) -> None:
    """The command `wolfspider` with the tiny classifier; its explainer `endless` sets `busy`."""

    def endless(task: Task) -> Any:
        if busy is not None:
            busy.set()
        while True:
            task.probabilities(torch.zeros(1, 3, tiny.SIZE, tiny.SIZE))

    EXPLAINERS["endless"] = Explainer("endless", endless)
    classifiers.load = lambda *_, **__: tiny.classifier()
    sys.argv = ["wolfspider", *words]
    with out.open("w") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        main()
