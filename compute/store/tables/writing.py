"""Writing a table as one or several files of bounded size, so that nobody need hold or send all of it at once."""

import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from compute.store import durable, part
from compute.store.files import sha256_file
from compute.store.schema import BLOB_ROW_GROUP, PUBLISHED, ROW_GROUP, file_name

LARGEST_FILE = 2**27
"""Bytes after which a table goes on in another file."""


def ends(rows: pa.Table) -> list[str]:
    """The least and the greatest key, which is the first column; nothing where there are no rows."""
    return list(pc.min_max(rows.column(0)).as_py().values()) if rows.num_rows else []


class Writer:
    """Writes a table piece by piece; a file gets its name when it is complete, flushed and known by its checksum.

    Args:
        table: name of the table.
        root: folder of the store.
        drafts: folder of files that are not complete, on the same file system.
    """

    def __init__(self, table: str, root: Path, drafts: Path) -> None:
        self.table, self._root, self._drafts = table, root, drafts
        self._files: list[dict[str, Any]] = []
        self._begin()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._writer.close()
        except OSError:
            if kind is None:
                raise
        finally:
            self._file.close()
            self._draft.unlink(missing_ok=True)

    def write(self, rows: pa.Table) -> None:
        """Append some rows."""
        if self._rows and self._file.tell() >= LARGEST_FILE:
            self._finish()
            self._begin()
        group = BLOB_ROW_GROUP if self.table == "images" else ROW_GROUP
        self._writer.write_table(rows, row_group_size=group)
        self._rows += rows.num_rows
        self._ends += ends(rows)

    def entry(self) -> dict[str, Any]:
        """What the manifest says of the whole table, which is complete."""
        self._finish()
        return {"rows": sum(file["rows"] for file in self._files), "files": self._files}

    def _begin(self) -> None:
        self._rows = 0
        self._ends: list[str] = []
        self._name = file_name(self.table, len(self._files))
        self._draft = self._drafts / f".{self._name}.{uuid.uuid4().hex[:8]}"
        self._file: BinaryIO = self._draft.open("xb")  # no library need understand its path
        self._writer = pq.ParquetWriter(self._file, PUBLISHED[self.table], **part.layout(self.table))

    def _finish(self) -> None:
        self._writer.close()
        self._file.close()
        durable.flush(self._draft)
        entry = {"name": self._name, "rows": self._rows, "bytes": self._draft.stat().st_size}
        self._files.append(
            {
                **entry,
                "sha256": sha256_file(self._draft),
                "least": min(self._ends, default=""),
                "greatest": max(self._ends, default=""),
            }
        )
        durable.rename(self._draft, self._root / self._name)
