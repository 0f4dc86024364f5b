"""Reading images by owner from the store's largest file: its index is read once, then only what an owner has.

A query over the whole file reads the index again every time, a tenth of a second for tens of thousands of cases. Stores
come from anywhere: what is read and decoded is bounded by what a store of these explainers and this size can hold.
"""

import io
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from compute.errors import InputError
from compute.store.files import open_regular, stamp
from compute.store.places.place import Place
from compute.store.schema import BLOB_ROW_GROUP

MODES = {"photo": "RGB", "adversarial": "RGB", "segments": "I;16"}
"""Pillow's modes of the images by kind; all others are entry maps, "L"."""

_TEXT = 1024
"""Bytes of a photo's or explainer's name, at most."""


class Images:
    """The table `images` of a store with these explainers and images of (size, size) pixels.

    Safe to share between threads, since every read opens the file anew.
    """

    def __init__(self, path: Place, explainers: Sequence[str], size: int) -> None:
        self._path = path
        with open_regular(path) as file:  # Arrow takes no path that is not UTF-8
            self._stamp = stamp(file)
            self._index = pq.read_metadata(file)
        self._kinds = [*MODES, *(f"entry:{name}" for name in explainers)]
        groups = [self._index.row_group(i) for i in range(self._index.num_row_groups)]
        ends = [group.column(0).statistics for group in groups]
        self._first: npt.NDArray[np.str_] = np.array([e.min if e else "" for e in ends], dtype=str)
        self._last: npt.NDArray[np.str_] = np.array([e.max if e else "\U0010ffff" for e in ends], dtype=str)
        self._longest = 4 * size**2 + 2**16  # bytes: an RGB image that does not compress, and more
        room = (_TEXT, _TEXT, self._longest)
        self._sound = np.array(
            [
                group.num_rows <= BLOB_ROW_GROUP
                and all(group.column(i).total_uncompressed_size <= BLOB_ROW_GROUP * most for i, most in enumerate(room))
                for group in groups
            ],
            dtype=bool,
        )

    def read(self, owners: Collection[str]) -> dict[tuple[str, str], bytes]:
        """PNG bytes by (owner, kind) of photos and cases; those that cannot be read are left out."""
        wanted = {(owner, kind) for owner in owners for kind in self._kinds}
        near = [(self._first <= owner) & (owner <= self._last) for owner in owners]
        groups = np.flatnonzero(np.logical_or.reduce(near) & self._sound).tolist() if near else []
        found: dict[tuple[str, str], bytes] = {}
        try:
            with (
                open_regular(self._path) as opened,
                pq.ParquetFile(opened, metadata=self._index, read_dictionary=["png"]) as file,  # repeated ones stay one
            ):
                for group in groups if stamp(opened) == self._stamp else ():
                    names = file.read_row_group(group, columns=["owner", "kind"])
                    keys = list(zip(*(names[column].to_pylist() for column in names.column_names), strict=True))
                    if not wanted.isdisjoint(keys):
                        images = file.read_row_group(group, columns=["png"])["png"]
                        some = {key: images[place].as_py() for place, key in enumerate(keys) if key in wanted}
                        found |= {key: png for key, png in some.items() if len(png) <= self._longest}
        except (InputError, OSError, ValueError, pa.ArrowException):
            return {}
        return found


def decode(png: bytes | None, kind: str, size: int) -> npt.NDArray[Any] | None:
    """The (size, size) or (size, size, 3) integers of a stored PNG.

    None where it is missing, damaged, or not what a store holds of this kind, which the header tells before anything is
    decoded.
    """
    try:
        with Image.open(io.BytesIO(png or b""), formats=["PNG"]) as image:
            if image.size != (size, size) or image.mode != MODES.get(kind, "L"):
                return None
            return np.array(image)
    except Exception:  # Pillow raises several unrelated types for damaged files
        return None
