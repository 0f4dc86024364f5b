"""Finished units of work on disk, and their joining into a published store.

A part is a directory of small Parquet files, written beside its place and moved into it in one step: it is there
whole or not at all. Any number of processes may write parts of one run; the manifest comes last.
"""

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from compute.errors import InputError
from compute.store.opening import MANIFEST, sha256_file
from compute.store.schema import BLOB_ROW_GROUP, TABLES

RUN = "run.json"
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table."""


class Parts:
    """The parts of one run in the folder of its store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "parts"

    def begin(self, run: Mapping[str, Any]) -> None:
        """Claim the folder for a run, or check that it holds the same one.

        Raises:
            InputError: the folder cannot be written, holds something else, or another configuration or environment.
        """
        try:
            (self.root if self.published() else self.folder).mkdir(parents=True, exist_ok=True)
            if not self.begun():
                if self.published():
                    raise InputError(f"{self.root}: holds a store without its {RUN}; choose another --out")
                _write_whole(self.root / RUN, json.dumps(run, indent=1).encode())
        except OSError as error:
            raise InputError(f"--out {self.root}: cannot be written ({error.strerror or error})") from error
        before, run = self.run(), json.loads(json.dumps(run))  # as it would be read back: lists, not tuples
        for key in ("config_hash", "environment"):
            if before.get(key) != run[key]:
                raise InputError(f"--out {self.root}: holds {_difference(before, run)}; choose another --out")

    def begun(self) -> bool:
        """Whether a run has claimed the folder."""
        return (self.root / RUN).exists()

    def published(self) -> bool:
        """Whether the folder holds a published store."""
        return (self.root / MANIFEST).exists()

    def run(self) -> dict[str, Any]:
        """What `begin` wrote."""
        try:
            found = json.loads((self.root / RUN).read_text(encoding="utf-8"))
            return {**found, "config": dict(found["config"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.root}: no sweep was started here ({RUN}: {error})") from error

    def done(self, name: str) -> bool:
        """Whether a part is there."""
        return (self.folder / name).is_dir()

    def write(self, name: str, rows: Rows, seconds: Mapping[str, float]) -> None:
        """Write a part; if another process was faster, its part stays."""
        draft = self.folder / f".{name}.{uuid.uuid4().hex[:8]}"
        try:
            draft.mkdir()
            for table, items in rows.items():
                _write_table(draft / f"{table}.parquet", pa.Table.from_pylist(list(items), schema=TABLES[table]))
            (draft / "seconds.json").write_text(json.dumps(dict(seconds)))
            draft.rename(self.folder / name)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not self.done(name):
                raise

    def read(self, name: str, table: str) -> list[dict[str, Any]]:
        """The rows of one table of a part; none where the part has no such table."""
        path = self.folder / name / f"{table}.parquet"
        return list(pq.read_table(path).to_pylist()) if path.exists() else []

    def publish(self, names: Sequence[str], manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Join parts, in the order given, into the published tables; then write the manifest.

        Memory holds one part at a time. Raises InputError if parts are missing.
        """
        missing = [name for name in names if not self.done(name)]
        if missing:
            raise InputError(
                f"{self.root}: {len(missing)} of {len(names)} parts are missing ({missing[0]}, ...); "
                "run the sweep (every shard of it) again, then publish"
            )
        seconds: dict[str, float] = {}
        for name in names:
            for stage, value in json.loads((self.folder / name / "seconds.json").read_text()).items():
                seconds[stage] = seconds.get(stage, 0.0) + value
        tables = {table: self._join(table, names) for table in TABLES}
        whole = {**manifest, "seconds": {k: round(v, 3) for k, v in seconds.items()}, "tables": tables}
        _write_whole(self.root / MANIFEST, json.dumps(whole, indent=1).encode())
        return whole

    def discard(self) -> None:
        """Drop the parts of a published store, all at once: whoever still joins them finds none, never one too few."""
        with contextlib.suppress(OSError):
            self.folder.rename(self.root / f".parts.{uuid.uuid4().hex[:8]}")
        for retired in self.root.glob(".parts.*"):
            shutil.rmtree(retired, ignore_errors=True)

    def _join(self, table: str, names: Iterable[str]) -> dict[str, Any]:
        draft = self.folder / f".{table}.{uuid.uuid4().hex[:8]}"  # among the parts, so that a crash leaves nothing
        rows = 0
        try:
            with pq.ParquetWriter(draft, TABLES[table], **_layout(table)) as writer:
                for batch in _batches(table, (self.folder / name / f"{table}.parquet" for name in names)):
                    writer.write_table(batch, row_group_size=_group(table))
                    rows += batch.num_rows
            draft.replace(self.root / f"{table}.parquet")
        finally:
            draft.unlink(missing_ok=True)
        path = self.root / f"{table}.parquet"
        return {"rows": rows, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _batches(table: str, paths: Iterable[Path]) -> Iterator[pa.Table]:
    """Tables of about a row group each, so that many small parts do not become many small row groups."""
    held: list[pa.Table] = []
    for path in paths:
        if path.exists():
            held.append(pq.read_table(path, schema=TABLES[table]))
        if sum(t.num_rows for t in held) >= _group(table):
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _group(table: str) -> int:
    return BLOB_ROW_GROUP if table == "images" else 100_000


def _layout(table: str) -> dict[str, Any]:
    return {"compression": "none", "use_dictionary": False} if table == "images" else {"compression": "zstd"}


def _write_table(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, **_layout(path.stem))


def _write_whole(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What distinguishes two runs, in words."""
    for section, words in (("config", "another configuration"), ("environment", "a run of another environment")):
        old, new = before.get(section, {}), now[section]
        differing = [f"{k}: {old.get(k)!r} there, {new.get(k)!r} now" for k in new if old.get(k) != new.get(k)]
        if differing:
            return f"{words} ({'; '.join(differing[:4])})"
    return "a run of other photos"
