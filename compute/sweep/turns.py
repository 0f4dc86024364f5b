"""Whose turn it is at the network, and how a sweep that is being stopped lets no further pass begin."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from torch import Tensor


class Stopped(Exception):
    """The sweep is being stopped; a case under way is given up."""


class Turns(AbstractContextManager["Turns"]):
    """Whose turn it is at the network: one thread at a time, and none once the sweep is being stopped."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._waited = threading.local()

    def __enter__(self) -> "Turns":
        """Wait for a turn."""
        started = time.perf_counter()
        self._lock.acquire()
        self._waited.seconds = self.waited + time.perf_counter() - started
        return self

    def __exit__(self, *_: object) -> None:
        """End the turn."""
        self._lock.release()

    @property
    def waited(self) -> float:
        """Seconds that the calling thread has waited for its turns so far."""
        return float(getattr(self._waited, "seconds", 0.0))

    def stop(self) -> None:
        """Let no further pass begin."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether the sweep is being stopped."""
        return self._stopped.is_set()

    def stoppable(self, function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """The function, which raises `Stopped` once the sweep is being stopped."""

        def guarded(images: Tensor) -> Tensor:
            if self.stopped:
                raise Stopped
            return function(images)

        return guarded
