"""Power cuts, full disks and Ctrl-C at every step of a small run: what was finished stays, and nothing else does."""

import errno
import os
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute import cli
from compute.errors import InputError, Notice
from compute.store import durable
from compute.store.opening import Store, open_store
from compute.store.part import Rows
from compute.store.parts import Parts
from compute.store.schema import CHECKED, N_SIZES, PUBLISHED, TABLES
from compute.sweep.run import publish

RUN: dict[str, Any] = {
    "config": {"group": 1}, "config_hash": "abc", "environment": {}, "given": {}, "device": {},
    "classifier": {"name": "made", "size": 8, "weights_sha256": "0"}, "target": {"index": 1, "name": "cup"},
    "explainers": [{"name": "lime", "baseline": False}], "sizes": "lime", "photos": ["a"],
}  # fmt: skip
Tree = dict[Path, bytes | None]
"""Content of files by relative path; None for folders."""


BY_TYPE = {pa.string(): "x", pa.bool_(): True, pa.binary(): b"x"}


def row(table: str, **values: Any) -> dict[str, Any]:
    """A row, with something in every column."""

    def some(kind: pa.DataType) -> Any:
        if not pa.types.is_list(kind):
            return BY_TYPE.get(kind, 1)
        return [some(kind.value_type)] * (N_SIZES if pa.types.is_integer(kind.value_type) else len(CHECKED))

    given = {field.name: some(field.type) for field in TABLES[table]}
    return given | {name: value for name, value in values.items() if name in given}


def rows() -> dict[str, Rows]:
    """The parts of a photo with one case."""
    case = {"photo_id": "a", "case_id": "a-r01", "explainer": "lime", "owner": "a"}
    explained: Rows = {"explanations": [row("explanations", **case)]}
    attacked = {table: [row(table, **case)] for table in ("photos", "attempts", "images")}
    return {"attack-00000": attacked, "explain-a": explained}


def finished(root: Path) -> None:
    """Do what is left of a run, but for publishing it."""
    parts = Parts(root)
    parts.begin(RUN)
    for name, part in rows().items():
        if not parts.published() and not parts.done(name):
            parts.write(name, part, {"attack": 1.0})


def work(root: Path) -> Store:
    """A whole run, or what is left of it."""
    finished(root)
    return publish(root)


def whole(store: Store) -> bool:
    """Whether a store holds exactly what `work` publishes."""
    return bool(store.tables["explanations"].to_pylist() == rows()["explain-a"]["explanations"]) and not store.damaged()


class Disk:
    """Keeps, beside what a process sees, what has been flushed."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.flushed: dict[int, bytes | dict[str, tuple[int, bool]]] = {}
        self.cuts: list[tuple[str, Tree]] = []
        self._open: list[int] = []  # so that no inode's number is used again
        base_fd = os.open(base, os.O_RDONLY)
        self._keep(base_fd)
        os.close(base_fd)

    def fsync(self, descriptor: int) -> None:
        self.cut()
        self._keep(descriptor)

    def cut(self) -> None:
        """What would be there after a power cut now: with names as flushed, or as early as a disk may write them."""
        kept: Tree = {}
        self._collect(self.base.stat().st_ino, True, Path(), kept)
        self.cuts.append(("names are late", kept))
        early: Tree = {}
        for path in sorted(self.base.rglob("*")):
            content = self.flushed.get(path.stat().st_ino, b"")
            early[path.relative_to(self.base)] = content if path.is_file() and isinstance(content, bytes) else None
        self.cuts.append(("names are early", early))

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def _keep(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self._open.append(os.dup(descriptor))
        if stat.S_ISDIR(found.st_mode):
            inner = [(name, os.stat(name, dir_fd=descriptor)) for name in os.listdir(descriptor)]
            self.flushed[found.st_ino] = {name: (s.st_ino, stat.S_ISDIR(s.st_mode)) for name, s in inner}
        else:
            self.flushed[found.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()

    def _collect(self, inode: int, folder: bool, at: Path, kept: Tree) -> None:
        content = self.flushed.get(inode, {} if folder else b"")
        kept[at] = content if isinstance(content, bytes) else None
        for name, (inner, is_folder) in content.items() if isinstance(content, dict) else ():
            self._collect(inner, is_folder, at / name, kept)


def restore(tree: Tree, base: Path) -> Path:
    base.mkdir()
    for path, content in sorted(tree.items()):
        if content is None:
            (base / path).mkdir(exist_ok=True)
        else:
            (base / path).write_bytes(content)
    return base / "store"


@pytest.fixture
def cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Tree]]:
    """What a power cut would leave before every flush, and at the end."""
    (tmp_path / "base").mkdir()
    disk = Disk(tmp_path / "base")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", disk.fsync)
        assert whole(work(tmp_path / "base" / "store"))
    disk.cut()
    disk.close()
    return disk.cuts


@pytest.mark.skipif(sys.platform != "linux", reason="reads what was flushed through /proc")
def test_after_a_power_cut_a_run_goes_on(cuts: list[tuple[str, Tree]], tmp_path: Path) -> None:
    assert len(cuts) > 50
    for i, (_, tree) in enumerate(cuts):
        root = restore(tree, tmp_path / f"cut-{i}")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Notice)  # nothing that was not flushed looks like a part
            assert whole(work(root))
    for i, (_, tree) in enumerate(cuts[-2:]):  # once the run has ended, nothing need be done
        assert whole(open_store(restore(tree, tmp_path / f"end-{i}")))


Fault = Callable[[], BaseException]
STEPS = [
    (os, "fsync"),
    (durable, "write"),
    (durable, "rename"),
    (durable, "claim"),
    (Path, "mkdir"),
    (pq.ParquetWriter, "write_table"),
]
FAULTS: dict[str, Fault] = {
    "full": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "Ctrl-C": KeyboardInterrupt,
}


def failing(patched: pytest.MonkeyPatch, fault: Fault, at: int) -> list[str]:
    """Let every step from the `at`-th on fail; the steps that were taken, as they are taken."""
    taken: list[str] = []

    def wrap(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            taken.append(name)
            if len(taken) >= at:
                raise fault()
            return original(*args, **kwargs)

        patched.setattr(owner, name, step)

    for owner, name in STEPS:
        wrap(owner, name)
    return taken


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_any_step_is_said_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with monkeypatch.context() as patched:
        steps = failing(patched, FAULTS[kind], at=10**6)
        work(tmp_path / "whole")
    assert {name for _, name in STEPS} == set(steps)
    for at in range(1, len(steps) + 1, 2 if kind == "full" else 3):
        root = tmp_path / f"{at}"
        with monkeypatch.context() as patched:
            failing(patched, FAULTS[kind], at)
            try:
                assert whole(work(root))  # all was published, only the parts could not be dropped
            except KeyboardInterrupt:
                assert kind == "Ctrl-C"
            except InputError as error:
                assert f"--out {root}: cannot be written ({FAULTS[kind]().args[1]})" in str(error)
        assert not list(root.rglob(".*"))
        assert whole(work(root))
        assert {p.name for p in root.iterdir()} == {*(f"{t}.parquet" for t in PUBLISHED), "manifest.json", "run.json"}


def test_the_command_publish_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FAULTS["full"]()

    finished(tmp_path)
    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    monkeypatch.setattr(sys, "argv", ["wolfspider", "publish", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr().err
    assert "No space left" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "manifest.json").exists()
