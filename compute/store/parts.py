"""Finished units of work on disk, and their joining into a published store.

A part is written beside its place, flushed, and moved into it in one step: it is there whole or not at all. Any number
of processes may write parts of one run; the manifest comes last. All drafts lie among the parts, which are dropped at
the end, so that nothing is left behind whenever a process dies.
"""

import contextlib
import fcntl
import json
import os
import shutil
import uuid
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa

from compute.errors import InputError, Notice
from compute.store import durable, part
from compute.store.manifest import MANIFEST, RUN, read_run
from compute.store.part import Rows
from compute.store.places.place import Place
from compute.store.tables.publishing import publish

UNCLAIMED = f"--out {{}}: holds a store or parts without {RUN}; choose another --out"


class Parts:
    """The parts of one run in the folder of its store. Whatever cannot be written is an InputError."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # once: code from outside may change the working directory
        self.folder = self.root / "parts"

    def begin(self, run: Mapping[str, Any]) -> None:
        """Claim the folder for a run, or check that it holds the same one.

        Raises:
            InputError: the folder cannot be written, holds something else, or another configuration or environment.
        """
        with self._in_words():
            used = self.published() or any(self.folder.glob("[!.]*"))  # looked at first: both come after the claim
            if not self.published():
                durable.make_folder(self.folder)
            if not self.begun():
                if used:
                    raise InputError(UNCLAIMED.format(self.root))
                with self._draft(RUN) as draft:
                    durable.write(draft, json.dumps(run, indent=1).encode())
                    durable.claim(draft, self.root / RUN)
        check_same(self.root, self.run(), run)
        self._share()

    def begun(self) -> bool:
        """Whether a run has claimed the folder."""
        return os.path.lexists(self.root / RUN)

    def published(self) -> bool:
        """Whether the folder holds a published store."""
        return os.path.lexists(self.root / MANIFEST)

    def run(self) -> dict[str, Any]:
        """What `begin` wrote; see `read_run`."""
        return read_run(self.root)

    def done(self, name: str) -> bool:
        """Whether a part is there and is what was written; one that is not is thrown away with a notice."""
        if not self._there(name):
            return False
        try:
            part.check(self.folder / name)
        except InputError as error:
            warnings.warn(Notice(f"{error}; this part is made anew"), stacklevel=2)
            with self._in_words(), self._draft(name) as draft:
                (self.folder / name).rename(draft)
            return False
        return True

    def write(self, name: str, rows: Rows, seconds: Mapping[str, float]) -> None:
        """Write a part; if another process was faster, its part stays."""
        with self._in_words(), self._draft(name) as draft:
            part.write(draft, rows, seconds)
            try:
                durable.rename(draft, self.folder / name)
            except OSError:
                if not self._there(name):
                    raise

    def read(self, name: str, table: str) -> list[dict[str, Any]]:
        """The rows of one table of a part; none where the part has no such table.

        Raises:
            InputError: the part is missing or damaged.
        """
        return list(part.table(self.folder / name, table).to_pylist())

    def publish(
        self,
        groups: Sequence[Sequence[str]],
        manifest: Mapping[str, Any],
        kept: Callable[[pa.Table], pa.Table] = lambda images: images,
    ) -> dict[str, Any]:
        """Join parts, in the order given, into the published tables, and derive others; then write the manifest.

        Args:
            groups: names of parts; a group holds whole photos.
            manifest: the record, but for what is known only now.
            kept: of some rows of `images`, those that are published.

        Raises InputError if parts are missing or damaged, or nothing can be written.
        """
        check_complete(self.root, [name for group in groups for name in group], self._there)
        self._share()
        with self._in_words():
            whole = {**manifest, **publish(self.folder, self.root, groups, manifest["explainers"], kept)}
            with self._draft(MANIFEST) as draft:
                durable.write(draft, json.dumps(whole, indent=1).encode())
                durable.rename(draft, self.root / MANIFEST)
        return whole

    def discard(self) -> None:
        """Drop the parts of a published store, all at once: whoever still joins them finds none, never one too few."""
        with contextlib.suppress(OSError):
            durable.flush(self.root)  # another process may have published, and not have flushed yet
            self.folder.rename(self.root / f".parts.{uuid.uuid4().hex[:8]}")
        for retired in self.root.glob(".parts.*"):
            shutil.rmtree(retired, ignore_errors=True)

    def _there(self, name: str) -> bool:
        return (self.folder / name).is_dir()

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        """A path among the parts for what will be moved to its place; what is still there at the end is removed."""
        draft = self.folder / f".{name}.{uuid.uuid4().hex[:8]}"
        try:
            yield draft
        finally:
            _remove(draft)

    def _in_words(self) -> AbstractContextManager[None]:
        return writing(self.root)

    def _share(self) -> None:
        """Lock the folder beside other processes of the run; who is alone in it removes what dead ones have left.

        The lock ends with this object or its process, however that ends. Without locks on the file system, leftovers
        stay until the parts are dropped.
        """
        descriptor = os.open(self.root / RUN, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for leftover in self.folder.glob(".*"):
                _remove(leftover)
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)


@contextlib.contextmanager
def writing(root: Place) -> Iterator[None]:
    """What keeps a run from being written, as an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--out {root}: cannot be written ({error.strerror or error}); what is finished is kept: "
            "mend that, and run the same command again"
        ) from error


def check_same(root: Place, before: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    """Check that a folder was claimed for a run.

    Raises:
        InputError: for another, whose configuration, environment or photos differ.
    """
    now = json.loads(json.dumps(run))  # as it would be read back: lists, not tuples
    for key in ("config_hash", "environment"):
        if before[key] != now[key]:
            raise InputError(f"--out {root}: holds {_difference(before, now)}; choose another --out")


def check_complete(root: Place, names: Sequence[str], there: Callable[[str], bool]) -> None:
    """Check that all parts are there.

    Raises:
        InputError: how many are not.
    """
    if missing := [name for name in names if not there(name)]:
        raise InputError(
            f"{root}: {len(missing)} of {len(names)} parts are missing ({missing[0]}, ...); "
            "run the sweep (every shard of it) again, then publish"
        )


def _remove(path: Path) -> None:
    """Remove a file or folder, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What distinguishes two runs, in words."""
    for section, words in (("config", "another configuration"), ("environment", "a run of another environment")):
        old, new = before.get(section, {}), now[section]
        differing = [f"{k}: {old.get(k)!r} there, {new.get(k)!r} now" for k in new if old.get(k) != new.get(k)]
        if differing:
            return f"{words} ({'; '.join(differing[:4])})"
    kinds = before["device"].get("kind"), now["device"]["kind"]
    if kinds[0] != kinds[1]:
        return f"a run on another kind of device ({kinds[0]} there, {kinds[1]} now)"
    return "a run of other photos, or with other weights"
