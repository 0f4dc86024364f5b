"""Ray: started on this machine, or found where it runs; what it prints is kept, and not shown."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from compute.errors import InputError, in_words
from compute.text import brief

CORES = 4
"""Cores of a worker without a GPU, on a cluster."""
REACHED = 10
"""Seconds within which a cluster must answer: Ray itself would wait for more than a minute."""


class Share(NamedTuple):
    """How many workers there are to be, and the cores (torch's threads) and GPUs of each."""

    workers: int
    threads: int
    gpus: int


class Logs:
    """The last lines that workers have written to standard error, by their processes."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = defaultdict(list)

    def hear(self, data: Mapping[str, Any], ignore_prefix: bool = False) -> None:  # noqa: ARG002
        """Take what Ray would print."""
        said = self._lines[str(data["pid"])]
        said += [line for line in data["lines"] if line.strip()]
        del said[:-100]

    def word(self, pid: int) -> str:
        """The line of a dead process that says most: the first that names an error, or its last; '' without any."""
        said = self._lines[str(pid)]
        return brief(next((line for line in said if "rror" in line), said[-1] if said else "").strip())


@contextlib.contextmanager
def connected(address: str | None, local: Share) -> Iterator[Logs]:
    """Ray, whose workers end when this is left, in whatever way.

    Args:
        address: HOST:PORT, or auto; None starts it on this machine.
        local: what is to be started there.

    Raises:
        InputError: Ray is not installed, or the cluster cannot be reached.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        from ray._private import services
        from ray._private import worker as printing
    except ImportError as error:
        raise InputError("--workers and --ray need Ray: pip install 'wolfspider[cluster]'") from error
    logs = Logs()
    printing.print_to_stdstream = logs.hear  # even without `log_to_driver` Ray prints how workers end
    if address == "auto":  # looked up here: connected to by this word, Ray 2.60 cancels actors as they begin
        address = services.canonicalize_bootstrap_address(address)
        if not address:
            raise InputError("--ray auto: this machine is part of no cluster of Ray's; give HOST:PORT of its head")
    where: dict[str, Any] = {"address": address}
    if address is None:
        where = {"address": "local", "num_cpus": local.workers * local.threads, "include_dashboard": False}
    elif not _reached(address):
        raise InputError(f"--ray {address}: no cluster of Ray's answers there; give HOST:PORT of its head, or auto")
    before = {int(each): signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    received: list[int] = []

    def leave(number: int, _: object) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        received.append(number)
        raise KeyboardInterrupt

    try:
        ray.init(**where, logging_level=logging.ERROR)
        if threading.current_thread() is threading.main_thread():
            for number in before:
                signal.signal(number, leave)  # in place of Ray's own too
        yield logs
    except (ConnectionError, RuntimeError, ValueError) as error:
        if ray.is_initialized():
            raise
        raise InputError(f"{f'--ray {address}' if address else '--workers'}: {in_words(error)}") from error
    finally:
        ray.shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received:
            os.kill(os.getpid(), number)  # which now means what it did


def _reached(address: str) -> bool:
    """Whether a cluster answers soon: Ray itself would wait for more than a minute."""
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--skip-version-check", "--address", address]
    try:
        return not subprocess.run(words, check=False, capture_output=True, timeout=REACHED).returncode
    except subprocess.TimeoutExpired:
        return False


def here(device: str, workers: int) -> Share:
    """The shares of this machine: a GPU each where there are any, else as many of torch's threads."""
    gpus = torch.cuda.device_count() if device != "cpu" else 0
    workers = min(workers, gpus) if gpus else workers
    return Share(workers, max(1, torch.get_num_threads() // max(workers, 1)), int(gpus > 0))


def everywhere(device: str, most: int) -> Share:
    """The shares of a cluster: a worker a GPU, or every `CORES` cores; `most` workers, if it is not 0.

    Raises:
        InputError: the cluster has neither.
    """
    import ray

    listed: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    nodes = [node["Resources"] for node in listed if node["Alive"]]
    with_gpus = [node for node in nodes if node.get("GPU", 0) >= 1] if device != "cpu" else []
    if with_gpus:
        threads = max(1, min(int(node.get("CPU", 0) / node["GPU"]) for node in with_gpus))
        able = sum(int(node["GPU"]) for node in with_gpus)
    else:
        threads = min(CORES, max((int(node.get("CPU", 0)) for node in nodes), default=0))
        able = sum(int(node.get("CPU", 0)) // threads for node in nodes) if threads else 0
    if not able:
        raise InputError("--ray: the cluster has neither GPUs nor cores to give")
    return Share(min(able, most) if most else able, threads, int(bool(with_gpus)))
