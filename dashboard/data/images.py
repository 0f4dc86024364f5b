"""Reading images by owner from the store's largest file: its index is read once, then only what an owner has.

A query over the whole file reads the index again every time, a tenth of a second for tens of thousands of cases. Stores
come from anywhere: what is read and decoded is bounded by what a store of these explainers and this size can hold.
"""

import io
from collections.abc import Collection, Set
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from compute.errors import InputError
from compute.store.files import open_regular, stamp
from compute.store.opening import Store
from compute.store.places.place import Place
from compute.store.schema import BLOB_ROW_GROUP

MODES = {"photo": "RGB", "adversarial": "RGB", "segments": "I;16"}
"""Pillow's modes of the images by kind; all others are entry maps, "L"."""

_TEXT = 1024
"""Bytes of a photo's or explainer's name, at most."""


class Images:
    """The table `images` of a store; a file's index is read when something may lie in it.

    Safe to share between threads, since every read opens the file anew.
    """

    def __init__(self, store: Store) -> None:
        self._kinds = [*MODES, *(f"entry:{explainer['name']}" for explainer in store.manifest["explainers"])]
        size = int(store.manifest["classifier"]["size"])
        entries = store.manifest["tables"]["images"]["files"]
        self._files = [
            (entry["least"], entry["greatest"], _File(path, size))
            for path, entry in zip(store.paths("images"), entries, strict=True)
        ]

    def read(self, owners: Collection[str]) -> dict[tuple[str, str], bytes]:
        """PNG bytes by (owner, kind) of photos and cases; those that cannot be read are left out."""
        wanted = {(owner, kind) for owner in owners for kind in self._kinds}
        found: dict[tuple[str, str], bytes] = {}
        for least, greatest, file in self._files:
            if near := [owner for owner in owners if least <= owner <= greatest]:
                found |= file.read(near, wanted)
        return found


class _File:
    def __init__(self, path: Place, size: int) -> None:
        self._path = path
        self._longest = 4 * size**2 + 2**16  # bytes: an RGB image that does not compress, and more
        with open_regular(path) as file:
            self._stamp = stamp(file)

    @cached_property
    def _index(self) -> pq.FileMetaData:
        with open_regular(self._path) as file:  # Arrow takes no path that is not UTF-8
            return pq.read_metadata(file)

    @cached_property
    def _groups(self) -> list[tuple[int, str, str]]:
        """Row groups that are no larger than one can be, with their first and last owner."""
        room = (_TEXT, _TEXT, self._longest)
        groups = ((i, self._index.row_group(i)) for i in range(self._index.num_row_groups))
        return [
            (i, *((ends.min, ends.max) if (ends := group.column(0).statistics) else ("", "\U0010ffff")))
            for i, group in groups
            if group.num_rows <= BLOB_ROW_GROUP
            and all(group.column(i).total_uncompressed_size <= BLOB_ROW_GROUP * most for i, most in enumerate(room))
        ]

    def read(self, owners: Collection[str], wanted: Set[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
        """Of the wanted those of these owners; nothing where the file has changed, or cannot be read."""
        found: dict[tuple[str, str], bytes] = {}
        try:
            near = [i for i, first, last in self._groups if any(first <= owner <= last for owner in owners)]
            with (
                open_regular(self._path) as opened,
                pq.ParquetFile(opened, metadata=self._index, read_dictionary=["png"]) as file,  # repeated ones stay one
            ):
                for group in near if stamp(opened) == self._stamp else ():
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
