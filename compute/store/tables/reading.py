"""Reading the tables of a store that may come from anywhere: whole and verified, or later, as queries need them."""

import os
from collections.abc import Iterable, Mapping, Sequence
from io import BufferedReader
from threading import Lock, local
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from compute.errors import InputError
from compute.store.files import open_regular, read_whole, sha256
from compute.store.places.place import Place
from compute.store.schema import PUBLISHED, file_name

LARGEST, LARGEST_UNPACKED = 2**28, 2**30
"""Bytes of a file and of a table in memory; a million explanations take about 20 MB of the first, 200 of the second."""
LONGEST = 2**20
"""Bytes of a text in a table."""


def read_files(root: Place, table: str, entry: Mapping[str, Any]) -> list[bytes]:
    """The files of a table, whose bytes are the manifest's.

    Raises:
        InputError: they are not, or are no such table, or more than is sane.
    """
    files: list[bytes] = []
    unpacked = 0
    for file in entry["files"]:
        path = root / file["name"]
        data = read_whole(path, LARGEST)
        if sha256(data) != file["sha256"]:
            raise InputError(
                f"{path}: damaged (its checksum is not the manifest's); take another copy of the store, or make it "
                "again"
            )
        metadata = _check(path, pa.BufferReader(data), table, file["rows"])
        unpacked += sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        if unpacked > LARGEST_UNPACKED or (table != "rank_counts" and file["rows"] > len(data)):  # its ranks repeat
            raise InputError(
                f"{path}: {file['rows']} rows, {unpacked} bytes in a file of {len(data)}; no store needs that"
            )
        files.append(data)
    return files


def unpacked(root: Place, table: str, files: Sequence[bytes]) -> pa.Table:
    """A table from its files, texts as dictionaries.

    Raises:
        InputError: they cannot be read, or hold more than is sane.
    """
    paths = [root / file_name(table, place) for place in range(len(files))]
    return pa.concat_tables([_unpacked(path, data, table) for path, data in zip(paths, files, strict=True)])


def check(root: Place, table: str, entry: Mapping[str, Any]) -> None:
    """Check the schema and number of rows of a table that is read later.

    Raises:
        InputError: they are not the manifest's.
    """
    for file in entry["files"]:
        with open_regular(root / file["name"]) as opened:
            _check(root / file["name"], opened, table, file["rows"])


def opened(root: Place, entry: Mapping[str, Any]) -> list[pa.NativeFile]:
    """The files of a table."""
    return [pa.PythonFile(_Shared(open_regular(root / file["name"])), mode="r") for file in entry["files"]]


def scanned(files: Iterable[pa.NativeFile], table: str) -> ds.Dataset:
    """A table as something that is unpacked piece by piece, as queries need it."""
    kind = ds.ParquetFileFormat(default_fragment_scan_options=_SCAN)
    return ds.FileSystemDataset([kind.make_fragment(file) for file in files], PUBLISHED[table], kind)


_SCAN = ds.ParquetFragmentScanOptions(page_checksum_verification=True)


class _Shared:
    """A file that several threads read at once, each from a place of its own: Arrow asks for sizes by moving."""

    def __init__(self, file: BufferedReader) -> None:
        self._file, self._lock, self._place = file, Lock(), local()
        self._size = file.seek(0, os.SEEK_END)
        self.closed = False

    def tell(self) -> int:
        return getattr(self._place, "at", 0)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: self._size}[whence]
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        with self._lock:
            self._file.seek(self.tell())
            data = self._file.read(size)
        self._place.at = self.tell() + len(data)
        return data

    def close(self) -> None:
        self._file.close()
        self.closed = True


def line(error: Exception) -> str:
    """The first line of what a library says."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _unpacked(path: Place, data: bytes, table: str) -> pa.Table:
    names = [f.name for f in PUBLISHED[table] if f.type == pa.string()]
    try:
        found = pq.ParquetFile(pa.BufferReader(data), read_dictionary=names).read()
        found.validate(full=True)
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise InputError(f"{path}: cannot be read ({line(error)})") from error
    texts = [c for column in found.columns for c in column.chunks if pa.types.is_dictionary(c.type)]
    if any((pc.max(pc.binary_length(text.dictionary)).as_py() or 0) > LONGEST for text in texts):
        raise InputError(f"{path}: a text of more than {LONGEST:,} bytes; no store needs that")
    return found


def _check(path: Place, source: Any, table: str, rows: int) -> pq.FileMetaData:
    """The metadata of a file of a table whose schema and number of rows are right."""
    schema = PUBLISHED[table]
    try:
        metadata = pq.read_metadata(source)
        found = metadata.schema.to_arrow_schema()
    except Exception as error:  # pyarrow raises several unrelated types for damaged files
        raise InputError(f"{path}: not a readable Parquet file ({line(error)})") from error
    if not found.equals(schema, check_metadata=False):
        wrong = sorted(set(found.names) ^ set(schema.names)) or [
            f.name for f in schema if found.field(f.name).type != f.type or found.field(f.name).nullable != f.nullable
        ]
        raise InputError(f"{path}: columns differ from the schema: {', '.join(wrong) or 'their order'}")
    counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    if not rows == sum(counts) == metadata.num_rows:
        raise InputError(f"{path}: {sum(counts)} rows where the manifest says {rows}; the two do not fit")
    return metadata
