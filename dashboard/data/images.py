"""Reading images by owner from the store's largest file: its index is read once, then only what an owner has.

A query over the whole file reads the index again every time, a tenth of a second for tens of thousands of cases.
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from compute.store.png import from_png


class Images:
    """The table `images` ; safe to share between threads, since every read opens the file anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:  # Arrow takes no path that is not UTF-8
            self._index = pq.read_metadata(file)
        ends = [self._index.row_group(i).column(0).statistics for i in range(self._index.num_row_groups)]
        self._first: npt.NDArray[np.str_] = np.array([e.min if e else "" for e in ends], dtype=str)
        self._last: npt.NDArray[np.str_] = np.array([e.max if e else "\U0010ffff" for e in ends], dtype=str)

    def read(self, owners: tuple[str, ...]) -> dict[tuple[str, str], bytes]:
        """PNG bytes by (owner, kind) of photos and cases; those that cannot be read are left out."""
        near = [(self._first <= owner) & (owner <= self._last) for owner in owners]
        groups = np.flatnonzero(np.logical_or.reduce(near)).tolist() if near else []
        try:
            with self._path.open("rb") as file:
                rows = pq.ParquetFile(file, metadata=self._index).read_row_groups(groups)
            found = rows.filter(pc.is_in(rows["owner"], value_set=pa.array(owners, pa.string()))).to_pylist()
        except (OSError, pa.ArrowException):
            return {}
        return {(row["owner"], row["kind"]): row["png"] for row in found}


def decode(png: bytes | None, ndim: int) -> npt.NDArray[Any] | None:
    """The integers of a stored PNG; None where it is missing, damaged, or not of `ndim` dimensions."""
    if png is None:
        return None
    try:
        array = from_png(png)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return array if array.ndim == ndim else None
