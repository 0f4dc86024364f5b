"""How an explainer that does not end is interrupted, and how Ctrl-C goes through one that swallows it."""

import contextlib
import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

AGAIN = 0.05
"""Seconds after which an explainer that has swallowed an interruption is interrupted again."""
PATIENCE = 1.0
"""Seconds that threads are given to end."""


class Interrupted(BaseException):
    """Raised in an explainer; no `Exception`, so that its own handlers let it pass."""


@dataclass
class Watch:
    """What came from without while an explainer was at work.

    Attributes:
        over: seconds after which it was interrupted; 0 if it was not.
        ended: whether the user, or the sweep, wants to stop.
    """

    over: float = 0.0
    ended: bool = False


@contextlib.contextmanager
def interruptible(seconds: float, stopped: Callable[[], bool]) -> Iterator[Watch]:
    """Interrupt what runs within after so many seconds (0: never), or once the sweep is being stopped.

    In the main thread, where signals arrive, that needs no thread beside it, and ends waiting too. Python code only:
    what does not come back from C code is not interrupted.
    """
    in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    with _by_signals(seconds) if in_main else _by_thread(seconds, stopped) as watch:
        yield watch


@contextlib.contextmanager
def _by_signals(seconds: float) -> Iterator[Watch]:
    watch, at_work = Watch(), True
    numbers = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}

    def interrupt(*_: Any) -> None:
        if at_work:
            watch.over = 0.0 if watch.ended else seconds
            raise KeyboardInterrupt if watch.ended else Interrupted

    def stop(number: int, frame: Any) -> None:
        watch.ended = True
        if at_work:
            signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
            before[number](number, frame)

    signal.signal(signal.SIGALRM, interrupt)
    for number in (signal.SIGINT, signal.SIGTERM):
        if callable(before[number]):
            signal.signal(number, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield watch
    finally:
        at_work = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def _by_thread(seconds: float, stopped: Callable[[], bool]) -> Iterator[Watch]:
    watch, at_work, done = Watch(), threading.Lock(), threading.Event()
    me, until = threading.get_ident(), time.monotonic() + seconds

    def look() -> None:
        while not done.wait(AGAIN):
            watch.ended = stopped()
            if watch.ended or (seconds and time.monotonic() > until):
                with at_work:
                    if not done.is_set():
                        watch.over = 0.0 if watch.ended else seconds
                        _raise_in(me, Interrupted)

    threading.Thread(target=look, name="wolfspider watch", daemon=True).start()
    try:
        yield watch
    finally:
        try:
            with at_work:
                done.set()
                _raise_in(me, None)
        finally:  # interrupted a moment ago
            done.set()


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise an exception in another thread, the next time that it runs Python code; None takes it back."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind) if kind else None)


def threads() -> set[threading.Thread]:
    """Those that run Python code, but for ours, tqdm's clock, and those that were not started by Python."""
    return {
        thread
        for thread in threading.enumerate()
        if not isinstance(thread, threading._DummyThread)
        and not thread.name.startswith("wolfspider")
        and not type(thread).__module__.startswith("tqdm")
    }


def end(left: set[threading.Thread]) -> None:
    """Ask threads to end, and wait a little for it."""
    for thread in left:
        if thread.ident is not None:
            _raise_in(thread.ident, SystemExit)
    until = time.monotonic() + PATIENCE
    for thread in left:
        thread.join(max(0.0, until - time.monotonic()))
