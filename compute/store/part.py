"""A part: a folder of small files, and the checksums of them all, so that no damage to it goes unseen."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from compute.errors import InputError
from compute.store import durable
from compute.store.files import LARGEST_JSON, read_json, read_whole, sha256, sha256_file
from compute.store.schema import TABLES

SECONDS, SUMS = "seconds.json", "sums.json"
LARGEST = 2**34
"""Bytes of a file of a part."""
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table."""


def layout(table: str) -> dict[str, Any]:
    """How a table is laid out in Parquet: PNGs are compressed already; checksums show damage to what is read later."""
    packing = {"compression": "none", "use_dictionary": False} if table == "images" else {"compression": "zstd"}
    return packing | {"write_page_checksum": True}


def write(folder: Path, rows: Rows, seconds: Mapping[str, float]) -> None:
    """Fill a new folder with a part, and flush it."""
    folder.mkdir()
    sums = {}
    for table, items in rows.items():
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(list(items), schema=TABLES[table]), buffer, **layout(table))
        sums[f"{table}.parquet"] = _write(folder / f"{table}.parquet", buffer.getvalue())
    sums[SECONDS] = _write(folder / SECONDS, json.dumps(dict(seconds)).encode())
    _write(folder / SUMS, json.dumps(sums).encode())
    durable.flush(folder)


def check(folder: Path) -> None:
    """Read a part once.

    Raises:
        InputError: it is not what was written.
    """
    for name, expected in _sums(folder).items():
        if sha256_file(folder / name) != expected:
            raise _damaged(folder / name)


def table(folder: Path, name: str) -> pa.Table:
    """A table of a part; it is empty where the part has none.

    Raises:
        InputError: it is not what was written.
    """
    data = _read(folder, f"{name}.parquet", LARGEST)
    if data is None:
        return TABLES[name].empty_table()
    try:
        return pq.read_table(pa.BufferReader(data), schema=TABLES[name])
    except (pa.ArrowException, OSError) as error:
        raise _damaged(folder / name) from error


def seconds(folder: Path) -> dict[str, float]:
    """The seconds by stage that a part took.

    Raises:
        InputError: they are not what was written.
    """
    try:
        return TypeAdapter(dict[str, float]).validate_json(_read(folder, SECONDS, LARGEST_JSON) or b"")
    except ValueError as error:
        raise _damaged(folder / SECONDS) from error


def _write(path: Path, data: bytes) -> str:
    durable.write(path, data)
    return sha256(data)


def _read(folder: Path, name: str, most: int) -> bytes | None:
    """The bytes of a file, verified; None where the part was written without it."""
    sums = _sums(folder)
    if name not in sums:
        return None
    data = read_whole(folder / name, most)
    if sha256(data) != sums[name]:
        raise _damaged(folder / name)
    return data


def _sums(folder: Path) -> dict[str, str]:
    """SHA-256 by file, of all that a part may and must have."""
    found = read_json(folder / SUMS)
    if not isinstance(found, dict) or not {SECONDS} <= set(found) <= {SECONDS, *(f"{t}.parquet" for t in TABLES)}:
        raise _damaged(folder / SUMS)
    return found


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: damaged, since it is not what was written")
