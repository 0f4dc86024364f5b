"""What an explainer prints: heard, not shown, so that a flood neither buries the progress nor fills a log."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from typing import Any

from compute.text import brief

KEPT = 200
"""Characters that are kept of what is printed."""


class _Stream(io.TextIOBase):
    """A standard stream for one thread; others write to the original as before."""

    def __init__(self, original: Any, heard: "Heard") -> None:
        self._original, self._heard, self._thread = original, heard, threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            self._heard.add(text)
        elif self._original is not None:
            self._original.write(text)
        return len(text)

    def flush(self) -> None:
        if threading.get_ident() != self._thread and self._original is not None:
            self._original.flush()

    def isatty(self) -> bool:
        return bool(self._original is not None and self._original.isatty())

    def fileno(self) -> int:
        return int(self._original.fileno())


class Heard:
    """What was printed: how many characters, and the first of them."""

    def __init__(self) -> None:
        self.characters, self._begin = 0, ""

    def add(self, text: str) -> None:
        """Hear some more."""
        self._begin += text[: KEPT - len(self._begin)]
        self.characters += len(text)

    def __str__(self) -> str:
        return f"{brief(self._begin)!r} ({self.characters:,} characters)"


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """Hear what this thread prints, and give it nothing to read."""
    before, heard = (sys.stdin, sys.stdout, sys.stderr), Heard()
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), _Stream(before[1], heard), _Stream(before[2], heard)
    try:
        yield heard
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
