"""A published store: one directory, one run of one configuration, checked when it is opened.

A store may come from anywhere. Its path is never text of a query, its files are read as bytes that are verified and
then parsed, and its connections can reach no file and no network. Nothing here imports torch: the dashboard and
notebooks open stores through this module alone.
"""

import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from upath import UPath

from compute.errors import InputError, Notice
from compute.store.files import exists, sha256_file
from compute.store.manifest import MANIFEST as MANIFEST  # noqa: PLC0414 (whoever opens stores looks for it)
from compute.store.manifest import RUN, read_manifest
from compute.store.places.place import Place, place
from compute.store.schema import PUBLISHED
from compute.store.tables.derived import wrongly_derived
from compute.store.tables.keys import wrong_keys, wrong_rows
from compute.store.tables.reading import check, line, opened, read_files, scanned, unpacked

LARGE = 2_000_000
"""Explanations above which a store is large: what it has of each case is read as queries need it."""
BY_CASE = (
    "explanations", "controls", "repeats", "case_methods", "case_lists", "case_counts",
    "photo_methods", "baseline_sums",
)  # fmt: skip
"""Tables that are unpacked as queries need them; a large store has too much of them to hold them even packed."""
NOT_DERIVED = "It is a large store: that its derived tables follow from the others was not checked."
LATER = (
    "a large store: its photos and attempts were verified, what it has of each case is read as it is needed; "
    "`wolfspider show --verify` reads all of it"
)

_CONNECTION: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "temp_directory": "",
    "memory_limit": "4GB",
    "allocator_background_threads": True,
    "threads": min(4, os.cpu_count() or 1),
}


@dataclass(frozen=True)
class Store:
    """An opened store: its manifest and schemas have been checked.

    Attributes:
        path: where it lies.
        manifest: as published.
        tables: those in memory: their bytes are the manifest's, and they fit each other.
        files: those in memory, of tables `BY_CASE`: their bytes are the manifest's. What neither has is read as queries
            need it; `damaged` verifies that.
    """

    path: Place
    manifest: dict[str, Any]
    tables: Mapping[str, pa.Table] = field(repr=False, compare=False)
    files: Mapping[str, Sequence[bytes]] = field(repr=False, compare=False)

    @property
    def large(self) -> bool:
        """Whether more than its images was left to be read later, unverified."""
        return _large(self.manifest)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new in-memory DuckDB with the tables and views, which can read and write no file.

        Not to be shared between threads: give each thread its own `.cursor()`.

        Raises:
            InputError: the tables need more memory than a connection may take.
        """
        entries = self.manifest["tables"]
        whole = {name: table for name, table in self.tables.items() if name not in BY_CASE}
        scans = {
            name: scanned(map(pa.BufferReader, self.files[name]), name)
            if name in self.files
            else scanned(opened(self.path, entries[name]), name)
            for name in PUBLISHED
            if name not in whole
        }
        try:
            explainers = [(e["name"], e["baseline"]) for e in self.manifest["explainers"]]
            connection = connected({**whole, **scans}, explainers)
        except duckdb.Error as error:
            raise InputError(f"{self.path}: the tables cannot be read ({line(error)})") from error
        connection.execute("set lock_configuration = true")
        return connection

    def paths(self, table: str) -> list[Place]:
        """The Parquet files of a table, in order."""
        return [self.path / file["name"] for file in self.manifest["tables"][table]["files"]]

    def damaged(self) -> list[str]:
        """Read every table again: the names of those whose bytes are missing or differ from the manifest's.

        And of derived tables that do not follow from the others.
        """
        return [t for t in PUBLISHED if not self._is_whole(t)] or self._not_following()

    def _not_following(self) -> list[str]:
        if self.large:
            return []
        entries = self.manifest["tables"]
        rest = [name for name in PUBLISHED if name not in {"images", *self.tables}]
        files = {t: self.files.get(t) or read_files(self.path, t, entries[t]) for t in rest}
        tables = {t: unpacked(self.path, t, files[t]) for t in rest}
        return wrongly_derived({**self.tables, **tables}, self.manifest["explainers"])

    def _is_whole(self, table: str) -> bool:
        files = self.manifest["tables"][table]["files"]
        try:
            return all(sha256_file(self.path / file["name"]) == file["sha256"] for file in files)
        except (InputError, OSError):
            return False


def connected(
    tables: Mapping[str, pa.Table | ds.Dataset], explainers: Sequence[tuple[str, bool]]
) -> duckdb.DuckDBPyConnection:
    """A new in-memory DuckDB with tables and views, where explainers are (name, whether it is a baseline)."""
    connection = duckdb.connect(":memory:", config=_CONNECTION)
    whole = {name: table for name, table in tables.items() if isinstance(table, pa.Table)}
    for name in whole:
        connection.execute(f"attach ':memory:' as packed_{name} (compress)")

    def pack(name: str) -> None:
        with connection.cursor() as cursor:
            cursor.from_arrow(whole[name]).create(f"packed_{name}.main.{name}")
            cursor.execute(f"checkpoint packed_{name}")

    with ThreadPoolExecutor(2) as pool:  # a thread compresses one table at a time
        list(pool.map(pack, sorted(whole, key=lambda name: -whole[name].nbytes)))
    for name, table in tables.items():
        if name in whole:
            connection.execute(f"create view {name} as from packed_{name}.main.{name}")
        else:
            connection.from_arrow(table).create_view(name)
    connection.execute("create table explainers (name varchar, position integer, baseline boolean)")
    rows = [[name, i, baseline] for i, (name, baseline) in enumerate(explainers)]
    connection.executemany("insert into explainers values (?, ?, ?)", rows)
    for file in ("measures.sql", "views.sql"):
        connection.execute(resources.files("compute.store").joinpath(file).read_text())
    return connection


def _large(manifest: Mapping[str, Any]) -> bool:
    return bool(manifest["tables"]["explanations"]["rows"] > LARGE)


def open_store(path: str | Place) -> Store:
    """Open a published store read-only, at a path or behind a URL.

    Raises:
        InputError: no such store, not a store, another schema version, damaged, or tables that do not fit the manifest
            or each other.
    """
    root = place(path)
    if not isinstance(root, UPath) and not os.path.isdir(root):  # noqa: PTH112 (Path.is_dir raises below closed ones)
        raise InputError(f"{root}: no such folder; `wolfspider sweep --out {root}` makes a store")
    if not exists(root / MANIFEST):
        begun = exists(root / RUN)
        hint = f"an unfinished sweep: run the sweep again, or `wolfspider publish {root}`"
        raise InputError(f"{root}: {hint if begun else 'not a store: it has no manifest.json'}")
    manifest = read_manifest(root)
    explainers = [explainer["name"] for explainer in manifest["explainers"]]
    for table, fault in wrong_rows({t: manifest["tables"][t]["rows"] for t in PUBLISHED}, len(explainers)):
        raise InputError(f"{root / table}.parquet: {fault}; the tables do not fit")
    large = _large(manifest)
    later = ("images", *BY_CASE) if large else ("images",)
    files = {t: read_files(root, t, manifest["tables"][t]) for t in PUBLISHED if t not in later}
    tables = {t: unpacked(root, t, data) for t, data in files.items() if t != "case_counts"}  # as much as all others
    for table, fault in wrong_keys(tables, explainers):
        raise InputError(f"{root / table}.parquet: {fault}; the tables do not fit")
    for table in later:
        check(root, table, manifest["tables"][table])
    if large:
        warnings.warn(Notice(f"{root}: {LATER}"), stacklevel=2)
    packed = {t: data for t, data in files.items() if t in BY_CASE}
    return Store(root if isinstance(root, UPath) else root.resolve(), manifest, tables, packed)
