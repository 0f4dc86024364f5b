"""Cases on their way through preparation and explanation, so that the network waits as little as it can for either."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, TypeVar

import torch

from compute.networks import engine
from compute.sweep.turns import Turns

T = TypeVar("T")
P = TypeVar("P")
R = TypeVar("R")


class Pipeline:
    """Prepares items in threads of their own and explains them.

    On a GPU both go on at once. On a CPU they take turns, and one item is explained at a time, in the main thread:
    beside the network's passes, which take every core, preparing would cost more time than between them.

    Leaving it by an exception stops what is under way.
    """

    def __init__(self, device: torch.device, turns: Turns) -> None:
        self._turns = turns
        self._explaining = engine.explaining_threads(device)
        counts = (engine.preparing_threads(), self._explaining)
        self._pools = [ThreadPoolExecutor(max(n, 1), thread_name_prefix="wolfspider") for n in counts]

    def __enter__(self) -> "Pipeline":
        """Nothing runs before `run`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let no further pass begin, if something went wrong, and wait for the threads."""
        if kind is not None:
            self._turns.stop()
        for pool in self._pools:
            pool.shutdown(cancel_futures=kind is not None)

    def run(self, prepare: Callable[[T], P], explain: Callable[[tuple[T, P]], R], items: Iterable[T]) -> Iterator[R]:
        """`explain((item, prepare(item)))` of every item, in order."""

        def pair(item: T) -> tuple[T, P]:
            return item, prepare(item)

        preparing, explaining = self._pools
        if not self._explaining:
            return map(explain, in_turn(pair, items, preparing, size=engine.preparing_threads()))
        depth = 2 + 2 * self._explaining
        return ahead(explain, ahead(pair, items, preparing, depth=depth), explaining, depth=depth)


def in_turn(function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, *, size: int) -> Iterator[R]:
    """`map(function, items)` in order, `size` items at a time in the pool; between them, nothing is under way there."""
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield from list(pool.map(function, some))


def ahead(function: Callable[[T], R], items: Iterable[T], pool: ThreadPoolExecutor, *, depth: int) -> Iterator[R]:
    """`map(function, items)` in order, with at most `depth` items under way in the pool."""
    under_way: deque[Future[Any]] = deque()
    for item in items:
        under_way.append(pool.submit(function, item))
        if len(under_way) >= depth:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
