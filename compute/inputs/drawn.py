"""Regions drawn by hand: the label image beside a photo, `NAME.regions.png`, in which every value is a region."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image

from compute.inputs.decode import opened, square, upright
from compute.inputs.regions import Labels, storable
from compute.inputs.source import PhotoError
from compute.store.files import exists
from compute.store.places.place import Place

LIKE_LABELS = re.compile(r"\.regions\.[^.]+$", re.IGNORECASE)
"""Names of files that are no photos themselves."""


def beside(photo: Place) -> Place | None:
    """The label image beside a photo, where there is one."""
    path = name_beside(photo)
    return path if exists(path) else None


def name_beside(photo: Place) -> Place:
    """Where it would be."""
    return photo.with_name(f"{photo.stem}.regions.png")


def digest(path: Place) -> bytes:
    """SHA-256 of a label image.

    Raises:
        PhotoError: naming it.
    """
    with _naming(path), opened(path) as file:
        return hashlib.file_digest(file, "sha256").digest()


def regions(path: Place, shape: tuple[int, int], size: int) -> Labels:
    """A label image, cropped as its photo of `shape` (width, height) is: (size, size) int32.

    Raises:
        PhotoError: naming it, with the reason.
    """
    with _naming(path), upright(path) as image:
        if image.size != shape:
            raise PhotoError(f"{image.width} x {image.height} pixels where the photo has {shape[0]} x {shape[1]}")
        if len(image.getbands()) != 1:
            raise PhotoError(f"mode {image.mode}; a label image has one channel, or a palette")
        return storable(np.asarray(square(image, size, Image.Resampling.NEAREST)))


@contextmanager
def _naming(path: Place) -> Iterator[None]:
    try:
        yield
    except PhotoError as error:
        raise PhotoError(f"{path.name}: {error}") from error
