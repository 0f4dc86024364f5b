"""What a photo is, found and decoded. Each has an id of its own, whatever two of them have in common."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from compute.errors import InputError
from compute.store.places.place import Place

Bytes = npt.NDArray[np.uint8]
Passed = list[tuple[str, str]]
"""(name, reason) of what was passed over."""


class PhotoError(Exception):
    """One photo cannot be used; the sweep records the reason and goes on."""


@dataclass(frozen=True)
class Source:
    """A photo that was found, not yet decoded; `pixels` are those of a photo in memory, a read-only copy."""

    photo_id: str
    name: str
    origin: str
    sha256: str
    licence: str | None
    path: Place | None
    pixels: Bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Photo:
    """A decoded photo: `rgb` (size, size, 3) uint8; `regions` (size, size) int32 where someone drew them."""

    source: Source
    rgb: Bytes
    regions: npt.NDArray[np.int32] | None
    original_width: int
    original_height: int


def from_array(name: str, rgb: Bytes) -> Source:
    """A photo already in memory: (H, W, 3) uint8 RGB, copied.

    Raises:
        InputError: another shape or dtype, or a masked array.
    """
    name = printable(name)
    if not isinstance(rgb, np.ndarray) or isinstance(rgb, np.ma.MaskedArray):
        raise InputError(f"photo {name}: expected an array, (H, W, 3) uint8, got {type(rgb).__name__}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InputError(f"photo {name}: expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
    pixels = np.array(rgb, order="C")
    pixels.setflags(write=False)
    digest = hashlib.sha256(repr(rgb.shape).encode() + pixels.tobytes()).hexdigest()
    return Source(photo_id(name, digest), name, "array", digest, None, None, pixels)


def unique(sources: Iterable[Source]) -> tuple[list[Source], Passed]:
    """Each photo once, sorted by id; photos whose ids would be equal get ids with their whole digest.

    Returns:
        The photos, and (name, reason) for each that holds the same bytes as another.
    """
    found: dict[str, Source] = {}
    passed: Passed = []
    for source in sorted(sources, key=_where):
        if source.sha256 in found:
            passed.append((_where(source), f"the same photo as {_where(found[source.sha256])}"))
        else:
            found[source.sha256] = source
    shared = Counter(source.photo_id for source in found.values())
    own = [
        replace(source, photo_id=photo_id(source.name, source.sha256, digits=64))
        if shared[source.photo_id] > 1
        else source
        for source in found.values()
    ]
    return sorted(own, key=lambda source: source.photo_id), passed


def photo_id(name: str, digest: str, digits: int = 8) -> str:
    """The file's name, made plain, and the first digits of its SHA-256."""
    stem = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40] or "photo"
    return f"{stem}-{digest[:digits]}"


def printable(text: str) -> str:
    """Text as it can be encoded in UTF-8: a file's name may hold bytes that cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def _where(source: Source) -> str:
    return source.name if source.path is None else str(source.path)
