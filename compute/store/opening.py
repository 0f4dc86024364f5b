"""A published store: one directory, one run of one configuration, checked when it is opened.

Nothing here imports torch: the dashboard and notebooks open stores through this module alone.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from compute.errors import InputError
from compute.store.schema import SCHEMA_VERSION, TABLES

MANIFEST = "manifest.json"
MEMORY_TABLES = ("photos", "attempts", "explanations", "scores", "failures")
"""Tables that sit in DuckDB's memory; `images` stays on disk and is fetched by id."""


@dataclass(frozen=True)
class Store:
    """An opened store whose manifest, schemas and row counts have been checked."""

    path: Path
    manifest: dict[str, Any]

    def connect(self) -> duckdb.DuckDBPyConnection:
        """A new in-memory DuckDB with the tables and views; it can read nothing but this store's `images.parquet`.

        Not to be shared between threads: give each thread its own `.cursor()`.
        """
        connection = duckdb.connect(":memory:", config={"autoload_known_extensions": "false"})
        for table in MEMORY_TABLES:
            connection.execute(f"create table {table} as from read_parquet(?)", [str(self.file(table))])
        images = str(self.file("images")).replace("'", "''")
        connection.execute(f"create view images as from read_parquet('{images}')")
        connection.execute("create table explainers (name varchar, position integer, baseline boolean)")
        explainers = self.manifest["explainers"]
        connection.executemany(
            "insert into explainers values (?, ?, ?)", [[e["name"], i, e["baseline"]] for i, e in enumerate(explainers)]
        )
        connection.execute(resources.files("compute.store").joinpath("views.sql").read_text())
        connection.execute(f"set allowed_paths = ['{images}']")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        return connection

    def file(self, table: str) -> Path:
        """The Parquet file of a table."""
        return self.path / f"{table}.parquet"

    def damaged(self) -> list[str]:
        """Recompute the checksums: the names of the tables whose bytes differ from the manifest's."""
        return [t for t, entry in self.manifest["tables"].items() if sha256_file(self.file(t)) != entry["sha256"]]


def open_store(path: str | Path) -> Store:
    """Open a published store read-only.

    Raises:
        InputError: no such store, not a store, another schema version, or tables that do not fit the manifest.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; `wolfspider sweep --out {root}` makes a store")
    if not (root / MANIFEST).is_file():
        hint = f"an unfinished sweep: run the sweep again, or `wolfspider publish {root}`"
        raise InputError(f"{root}: {hint if (root / 'run.json').is_file() else 'not a store: it has no manifest.json'}")
    manifest = _read_manifest(root / MANIFEST)
    for table, schema in TABLES.items():
        _check_table(root, table, schema, manifest["tables"][table]["rows"])
    return Store(root.resolve(), manifest)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = int(manifest["schema_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a readable manifest ({error})") from error
    if version != SCHEMA_VERSION:
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise InputError(
            f"{path}: schema version {version} comes from {age} wolfspider; this one reads version {SCHEMA_VERSION}"
        )
    try:
        for table in TABLES:
            entry = manifest["tables"][table]
            _ = int(entry["rows"]), str(entry["sha256"])
        for explainer in manifest["explainers"]:
            _ = str(explainer["name"]), bool(explainer["baseline"])
        _ = dict(manifest["config"]), str(manifest["target"]["name"]), int(manifest["target"]["index"])
        _ = str(manifest["classifier"]["name"]), int(manifest["classifier"]["size"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: the manifest lacks or garbles {error}") from error
    return dict(manifest)


def _check_table(root: Path, table: str, schema: Any, rows: int) -> None:
    path = root / f"{table}.parquet"
    if path.resolve().parent != root.resolve():
        raise InputError(f"{path}: leads outside the store")
    try:
        found = pq.read_schema(path)
        count = pq.read_metadata(path).num_rows
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing from the store; publish it again") from error
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise InputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from error
    if not found.equals(schema, check_metadata=False):
        wrong = sorted(set(found.names) ^ set(schema.names)) or [
            f.name for f in schema if found.field(f.name).type != f.type or found.field(f.name).nullable != f.nullable
        ]
        raise InputError(f"{path}: columns differ from the schema: {', '.join(wrong) or 'their order'}")
    if count != rows:
        raise InputError(f"{path}: {count} rows where the manifest says {rows}; the table and the manifest do not fit")


def sha256_file(path: Path) -> str:
    """SHA-256 of a file as hexadecimal digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
