"""A published store: one directory, one run of one configuration, checked when it is opened.

A store may come from anywhere. Its path is never text of a query, its files are read as bytes that are verified and
then parsed, and its connections can reach no file and no network. Nothing here imports torch: the dashboard and
notebooks open stores through this module alone.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from io import BufferedReader
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from upath import UPath

from compute.errors import InputError
from compute.store.derived import derive, taking_part
from compute.store.files import exists, open_regular, read_whole, sha256, sha256_file
from compute.store.keys import wrong_keys, wrong_rows
from compute.store.manifest import MANIFEST as MANIFEST  # noqa: PLC0414 (whoever opens stores looks for it)
from compute.store.manifest import RUN, read_manifest
from compute.store.places.place import Place, place
from compute.store.schema import PUBLISHED

MEMORY_TABLES = tuple(name for name in PUBLISHED if name != "images")
"""Tables that are read when the store is opened; `images` stays on disk and is fetched by id."""
LARGEST, LARGEST_UNPACKED = 2**28, 2**30
"""Bytes of a table in memory; a million explanations take about 20 of the first, 200 MB of the second."""
LONGEST = 2**20
"""Bytes of a text in a table."""

_CONNECTION: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "temp_directory": "",
    "memory_limit": "4GB",
    "threads": 4,
}


@dataclass(frozen=True)
class Store:
    """An opened store: its manifest, schemas and keys have been checked, and its tables are the manifest's bit for bit.

    `images`, too large to be read at once, is an exception: `damaged` verifies it.
    """

    path: Place
    manifest: dict[str, Any]
    tables: Mapping[str, pa.Table] = field(repr=False, compare=False)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new in-memory DuckDB with the tables and views, which can read and write no file; `images` is read lazily.

        Not to be shared between threads: give each thread its own `.cursor()`.

        Raises:
            InputError: the tables need more memory than a connection may take.
        """
        try:
            connection = connected(self.tables, [(e["name"], e["baseline"]) for e in self.manifest["explainers"]])
        except duckdb.Error as error:
            raise InputError(f"{self.path}: the tables cannot be read ({_line(error)})") from error
        connection.from_arrow(_dataset(self.open("images"))).create_view("images")
        connection.execute("set lock_configuration = true")
        return connection

    def file(self, table: str) -> Place:
        """The Parquet file of a table."""
        return self.path / f"{table}.parquet"

    def open(self, table: str) -> BufferedReader:
        """The Parquet file of a table, opened: no library need understand its path."""
        return open_regular(self.file(table))

    def damaged(self) -> list[str]:
        """Read every table again: the names of those whose bytes are missing or differ from the manifest's.

        And of derived tables that do not follow from the others.
        """
        return [t for t in PUBLISHED if not self._is_whole(t)] or self._not_following()

    def _not_following(self) -> list[str]:
        ranked = taking_part(self.manifest["explainers"], self.tables["explanations"]["explainer"])
        again = derive(self.tables["attempts"], self.tables["explanations"], ranked)
        return [name for name, table in again.items() if not _same(table, self.tables[name])]

    def _is_whole(self, table: str) -> bool:
        try:
            return bool(sha256_file(self.file(table)) == self.manifest["tables"][table]["sha256"])
        except (InputError, OSError):
            return False


def connected(tables: Mapping[str, pa.Table], explainers: Sequence[tuple[str, bool]]) -> duckdb.DuckDBPyConnection:
    """A new in-memory DuckDB with tables and views, where explainers are (name, whether it is a baseline)."""
    connection = duckdb.connect(":memory:", config=_CONNECTION)
    for name, table in tables.items():
        connection.from_arrow(table).create(name)
    connection.execute("create table explainers (name varchar, position integer, baseline boolean)")
    rows = [[name, i, baseline] for i, (name, baseline) in enumerate(explainers)]
    connection.executemany("insert into explainers values (?, ?, ?)", rows)
    for file in ("measures.sql", "views.sql"):
        connection.execute(resources.files("compute.store").joinpath(file).read_text())
    return connection


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
    tables = {table: _read_table(root, table, manifest["tables"][table]) for table in MEMORY_TABLES}
    for table, fault in wrong_keys(tables, explainers):
        raise InputError(f"{root / table}.parquet: {fault}; the tables do not fit")
    path = root / "images.parquet"
    with open_regular(path) as file:
        _check(path, file, "images", manifest["tables"]["images"]["rows"])
    return Store(root if isinstance(root, UPath) else root.resolve(), manifest, tables)


def _read_table(root: Place, table: str, entry: Mapping[str, Any]) -> pa.Table:
    """A table whose bytes are the manifest's, texts as dictionaries."""
    path = root / f"{table}.parquet"
    data = read_whole(path, LARGEST)
    if sha256(data) != entry["sha256"]:
        raise InputError(
            f"{path}: damaged (its checksum is not the manifest's); take another copy of the store, or make it again"
        )
    metadata = _check(path, pa.BufferReader(data), table, entry["rows"])
    unpacked = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if unpacked > LARGEST_UNPACKED or (table != "rank_counts" and entry["rows"] > len(data)):  # its ranks repeat
        raise InputError(
            f"{path}: {entry['rows']} rows, {unpacked} bytes in a file of {len(data)}; no store needs that"
        )
    names = [f.name for f in PUBLISHED[table] if f.type == pa.string()]
    try:
        found = pq.ParquetFile(pa.BufferReader(data), metadata=metadata, read_dictionary=names).read()
        found.validate(full=True)
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise InputError(f"{path}: cannot be read ({_line(error)})") from error
    texts = [c for column in found.columns for c in column.chunks if pa.types.is_dictionary(c.type)]
    if any((pc.max(pc.binary_length(text.dictionary)).as_py() or 0) > LONGEST for text in texts):
        raise InputError(f"{path}: a text of more than {LONGEST:,} bytes; no store needs that")
    return found


def _check(path: Place, source: Any, table: str, rows: int) -> pq.FileMetaData:
    """The metadata of a table whose schema and number of rows are right."""
    schema = PUBLISHED[table]
    try:
        metadata = pq.read_metadata(source)
        found = metadata.schema.to_arrow_schema()
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise InputError(f"{path}: not a readable Parquet file ({_line(error)})") from error
    if not found.equals(schema, check_metadata=False):
        wrong = sorted(set(found.names) ^ set(schema.names)) or [
            f.name for f in schema if found.field(f.name).type != f.type or found.field(f.name).nullable != f.nullable
        ]
        raise InputError(f"{path}: columns differ from the schema: {', '.join(wrong) or 'their order'}")
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if not rows == sum(counts) == metadata.num_rows:
        raise InputError(f"{path}: {sum(counts)} rows where the manifest says {rows}; the two do not fit")
    return metadata


def _dataset(file: BufferedReader) -> ds.Dataset:
    """A Parquet file as something that is read piece by piece, as queries need it."""
    kind = ds.ParquetFileFormat()
    fragment = kind.make_fragment(pa.PythonFile(file, mode="r"))
    return ds.FileSystemDataset([fragment], fragment.physical_schema, kind)


def _same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same rows, in whatever order."""
    keys = [(name, "ascending") for name in one.schema.names if not pa.types.is_list(one.schema.field(name).type)]
    return bool(one.sort_by(keys).equals(other.cast(one.schema).sort_by(keys)))


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
