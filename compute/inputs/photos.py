"""Find, decode, orient and crop photos. Files are untrusted: whatever is wrong with one becomes a reason in words."""

import csv
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from compute.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
MIN_SIDE = 64
"""Shorter side, in pixels, below which an enlarged crop would show nothing but interpolation."""
MAX_PIXELS = 120_000_000
"""Pixels of the decoded file above which it is taken for a decompression bomb."""

Bytes = npt.NDArray[np.uint8]
_BUNDLED = {
    "astronaut.png": ("skimage", "data", "public domain (NASA)"),
    "chelsea.png": ("skimage", "data", "CC0-1.0"),
    "coffee.png": ("skimage", "data", "CC0-1.0"),
    "rocket.jpg": ("skimage", "data", "CC0-1.0"),
    "china.jpg": ("sklearn", "datasets/images", "CC-BY-2.0"),
    "flower.jpg": ("sklearn", "datasets/images", "CC-BY-2.0"),
}


class PhotoError(Exception):
    """One photo cannot be used; the sweep records the reason and goes on."""


@dataclass(frozen=True)
class Source:
    """A photo that was found, not yet decoded."""

    photo_id: str
    name: str
    origin: str
    sha256: str
    licence: str | None
    path: Path | None
    pixels: Bytes | None = None


@dataclass(frozen=True)
class Photo:
    """A decoded photo: `rgb` is (size, size, 3) uint8; `regions` (size, size) int32 where someone drew them."""

    source: Source
    rgb: Bytes
    regions: npt.NDArray[np.int32] | None
    original_width: int
    original_height: int


def from_array(name: str, rgb: Bytes) -> Source:
    """A photo already in memory: (H, W, 3) uint8 RGB.

    Raises:
        InputError: another shape or dtype.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InputError(f"photo {name}: expected (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
    digest = hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()
    return Source(_photo_id(name, digest), name, "array", digest, None, None, np.ascontiguousarray(rgb))


def find(given: Iterable[str]) -> tuple[list[Source], list[tuple[str, str]]]:
    """All photos under the files and folders given (the bundled ones for none), sorted by id.

    Returns:
        The photos, and (name, reason) for each file passed over: unreadable, or the same bytes as another.

    Raises:
        InputError: a path that does not exist, or no photo at all.
    """
    names = list(given)
    files = [(path, origin, licence) for name in names for path, origin, licence in _files(Path(name))]
    found: dict[str, Source] = {}
    passed: list[tuple[str, str]] = []
    for path, origin, licence in sorted(files if names else _bundled()):
        try:
            digest = hashlib.sha256(path.read_bytes() + _drawn_bytes(path)).hexdigest()
        except OSError as error:
            passed.append((str(path), f"cannot be read ({error.strerror})"))
            continue
        if digest in found:
            passed.append((str(path), f"the same photo as {found[digest].origin}"))
        else:
            found[digest] = Source(_photo_id(path.name, digest), path.name, origin, digest, licence, path)
    if not found:
        where = ", ".join(names) or "the bundled photos"
        raise InputError(f"--photos {where}: no photo found (looked for {', '.join(SUFFIXES)})")
    return sorted(found.values(), key=lambda s: s.photo_id), passed


def load(source: Source, size: int) -> Photo:
    """Decode a photo and take its centre square at `size` x `size` pixels.

    Any mode is taken: EXIF orientation is applied, 16 bits are scaled to 8, transparency is laid over white.

    Raises:
        PhotoError: with the reason, for anything that is not a usable photo.
    """
    try:
        image = _decode(source)
        width, height = image.size
        if min(width, height) < MIN_SIDE:
            raise PhotoError(f"{width} x {height} pixels: the shorter side must have at least {MIN_SIDE}")
        rgb = np.array(_square(image, size, Image.Resampling.BICUBIC), dtype=np.uint8)
        return Photo(source, rgb, _drawn(source, image.size, size), width, height)
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError("too many pixels: taken for a decompression bomb") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise PhotoError(f"not a readable image ({str(error)[:200] or type(error).__name__})") from error


def _decode(source: Source) -> Image.Image:
    if source.pixels is not None:
        return Image.fromarray(source.pixels)
    assert source.path is not None
    with Image.open(source.path) as image:
        _refuse_bomb(image)
        return to_rgb(ImageOps.exif_transpose(image))


def _refuse_bomb(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise PhotoError(f"{image.width} x {image.height} pixels: taken for a decompression bomb (over {MAX_PIXELS:,})")


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit RGB.

    Raises:
        PhotoError: floating-point or wide-integer images whose range is unknown.
    """
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64)
        if wide.min() < 0 or wide.max() > 65535:
            raise PhotoError("32-bit integer image of unknown range; save it with 8 or 16 bits")
        return Image.fromarray(np.round(wide / 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise PhotoError("floating-point image of unknown range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _square(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size, size), resampling, box=(left, top, left + side, top + side))


def _drawn_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.regions.png")


def _drawn_bytes(path: Path) -> bytes:
    drawn = _drawn_path(path)
    return drawn.read_bytes() if drawn.is_file() else b""


def _drawn(source: Source, shape: tuple[int, int], size: int) -> npt.NDArray[np.int32] | None:
    """The label image beside the photo, cropped as the photo was; every value is a region."""
    if source.path is None or not _drawn_path(source.path).is_file():
        return None
    name = _drawn_path(source.path).name
    with Image.open(_drawn_path(source.path)) as image:
        _refuse_bomb(image)
        if image.size != shape:
            raise PhotoError(
                f"{name}: {image.width} x {image.height} pixels where the photo has {shape[0]} x {shape[1]}"
            )
        if len(image.getbands()) != 1:
            raise PhotoError(f"{name}: mode {image.mode}; a label image has one channel (8 or 16 bits, or a palette)")
        labels = np.asarray(_square(image, size, Image.Resampling.NEAREST))
        return labels.astype(np.int32)


def _photo_id(name: str, digest: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40] or "photo"
    return f"{stem}-{digest[:8]}"


def _files(path: Path) -> Iterator[tuple[Path, str, str | None]]:
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.endswith(".regions.png")]
    elif path.is_file():
        found = [path]
    else:
        raise InputError(f"--photos {path}: no such file or folder")
    licences = {folder: _licences(folder) for folder in {p.parent for p in found}}
    for photo in found:
        yield photo, str(photo), licences[photo.parent].get(photo.name)


def _licences(folder: Path) -> dict[str, str]:
    """Licences by file name from a `SOURCES.csv` with columns `file` and `licence`, where there is one."""
    try:
        with (folder / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
            return {
                row["file"]: row["licence"] for row in csv.DictReader(file) if row.get("file") and row.get("licence")
            }
    except (OSError, ValueError, csv.Error):
        return {}


def _bundled() -> Iterator[tuple[Path, str, str | None]]:
    for name, (package, folder, licence) in _BUNDLED.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / folder / name, f"{package} (bundled)", licence
