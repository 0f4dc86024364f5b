"""Find photos, and make of each the square crop that a network sees."""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from compute.errors import InputError
from compute.inputs import drawn, files
from compute.inputs.decode import SUFFIXES, opened, square, to_rgb, upright
from compute.inputs.licences import licences
from compute.inputs.source import Bytes, Passed, Photo, PhotoError, Source, photo_id, printable, unique
from compute.store.places.place import Place

MIN_SIDE = 64
"""Shorter side, in pixels, below which an enlarged crop would show nothing but interpolation."""


def find(given: Iterable[str]) -> tuple[list[Source], Passed]:
    """All photos under the files and folders given (the bundled ones for none), sorted by id.

    Returns:
        The photos, and (name, reason) for what was passed over: unreadable files, the same bytes as another's,
        and all else that lies in the folders, counted by kind.

    Raises:
        InputError: a path that cannot be read, or no photo at all.
    """
    names = list(given)
    paths, passed = files.under(names)
    named, unnamed = licences(paths)
    candidates = [(path, str(path), named.get(path)) for path in paths] if names else [*files.bundled()]
    sources: list[Source] = []
    with ThreadPoolExecutor() as pool:  # behind URLs they are waited for together
        digests = list(pool.map(_digest, [path for path, _, _ in candidates]))
    for (path, origin, licence), digest in zip(candidates, digests, strict=True):
        if isinstance(digest, PhotoError):
            passed.append((str(path), str(digest)))
        else:
            sources.append(Source(photo_id(path.name, digest), path.name, origin, digest, licence, path))
    found, twice = unique(sources)
    passed += unnamed + twice
    if not found:
        where = printable(", ".join(names)) or "the bundled photos"
        why = "".join(f"; {name}: {reason}" for name, reason in passed[:3])
        raise InputError(f"--photos {where}: no photo found (looked for {', '.join(sorted(SUFFIXES))}){why}")
    return found, passed


def load(source: Source, size: int) -> Photo:
    """Decode a photo and take its centre square at `size` x `size` pixels.

    Any mode is taken: EXIF orientation and colour profile are applied, 16 bits are scaled to 8, transparency is laid
    over white.

    Raises:
        PhotoError: with the reason, for anything that is not a usable photo.
    """
    if source.path is None:
        assert source.pixels is not None
        return Photo(source, _crop(Image.fromarray(source.pixels), size), None, *source.pixels.shape[1::-1])
    with upright(source.path) as image:
        rgb, shape = _crop(image, size), image.size
    labels = drawn.beside(source.path)
    return Photo(source, rgb, drawn.regions(labels, shape, size) if labels else None, *shape)


def _crop(image: Image.Image, size: int) -> Bytes:
    if min(image.size) < MIN_SIDE:
        raise PhotoError(f"{image.width} x {image.height} pixels: the shorter side must have at least {MIN_SIDE}")
    return np.array(square(to_rgb(image), size, Image.Resampling.BICUBIC))


def _digest(path: Place) -> str | PhotoError:
    """SHA-256 of a photo, and of the label image beside it; or why there is none."""
    try:
        with opened(path) as file:
            digest = hashlib.file_digest(file, "sha256")
        if labels := drawn.beside(path):
            digest.update(drawn.digest(labels))
    except PhotoError as error:
        return error
    return digest.hexdigest()
