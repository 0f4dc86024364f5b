"""Image files to 8-bit sRGB. Files are untrusted: whatever is wrong with one becomes a reason in words."""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from upath import UPath

from compute.errors import InputError, Notice
from compute.inputs.source import PhotoError
from compute.store.files import read_whole
from compute.store.places.place import Place

try:
    import pillow_heif

    pillow_heif.register_heif_opener()
except ImportError:
    pass

Image.init()
FORMATS = tuple(name for name in ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP") if name in Image.OPEN)
"""The decoders that may see a file, whatever its name: others start programs (EPS) or are hardly ever tried."""
SUFFIXES = frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS)
"""Names of files that are taken for photos in a folder, in lower case."""
MAX_BYTES = 2**30
"""Size of a file above which it is not read."""
MAX_PIXELS = 120_000_000
"""Pixels of the decoded file above which it is taken for a decompression bomb."""
_HEIF = (".heic", ".heif", ".hif")
_DECODERS = ("PIL", "pillow_heif", "inputs")
_KEPT = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}
"""Modes whose colours are not RGB until a colour profile has been applied; all others are made RGB first."""


def undecodable(path: Place) -> str:
    """Why no decoder takes a file, and what to do."""
    if path.suffix.lower() in _HEIF and "HEIF" not in FORMATS:
        return "needs pillow-heif: pip install 'wolfspider[heif]'"
    return f"is none of {', '.join(FORMATS)}"


@contextmanager
def opened(path: Place) -> Iterator[BufferedReader | BytesIO]:
    """A regular file, open for reading; a pipe or device is refused and never waited for.

    Raises:
        PhotoError: with the reason, also for what goes wrong while it is read.
        InputError: behind a URL, where the reason is not the photo: a sweep without it would be another sweep.
    """
    if isinstance(path, UPath):
        yield BytesIO(read_whole(path, MAX_BYTES))
        return
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise PhotoError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise PhotoError(f"{status.st_size:,} bytes: more than {MAX_BYTES:,} are not read")
            yield file
    except OSError as error:
        if error.errno is None:  # a decoder's
            raise
        raise PhotoError(f"cannot be read ({error.strerror})") from error


@contextmanager
def upright(path: Place) -> Iterator[Image.Image]:
    """The first image of a file, decoded, turned as its EXIF orientation says.

    What decoders warn of becomes a notice that names the file.

    Raises:
        PhotoError: with the reason, for anything that is not a usable image, also while it is in use.
        InputError: as `opened`.
    """
    try:
        with _attributed(path), opened(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise PhotoError(
                    f"{image.width} x {image.height} pixels: taken for a decompression bomb (over {MAX_PIXELS:,})"
                )
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            yield image
    except (PhotoError, InputError):
        raise
    except Image.DecompressionBombError as error:
        raise PhotoError("too many pixels: taken for a decompression bomb") from error
    except UnidentifiedImageError as error:
        raise PhotoError(f"not a readable image ({undecodable(path)})") from error
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error and more
        raise PhotoError(f"not a readable image ({str(error)[:200] or type(error).__name__})") from error


@contextmanager
def _attributed(path: Place) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is the bound here
        yield
    for warning in caught:
        if Path(warning.filename).parent.name in _DECODERS:
            warnings.warn(f"photo {path.name}: {warning.message}", Notice, stacklevel=1)
        else:  # of another thread meanwhile
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def to_rgb(image: Image.Image) -> Image.Image:
    """An image of any mode as 8-bit sRGB: its colour profile applied, transparency laid over white.

    Raises:
        PhotoError: values whose range is unknown.
    """
    if image.mode in ("I", "F"):
        raise PhotoError("32-bit, signed or floating-point values of unknown range; save it with 8 or 16 bits")
    if image.mode.startswith("I;16"):
        return _srgb(_scaled(image), image.info.get("icc_profile"))
    shown = image.convert("RGBA") if image.has_transparency_data else image
    rgb = _srgb(shown.convert(_KEPT.get(image.mode, "RGB")), image.info.get("icc_profile"))
    if shown.mode == "RGBA":
        rgb.putalpha(shown.getchannel("A"))
        rgb = Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb).convert("RGB")
    return rgb


def _scaled(image: Image.Image) -> Image.Image:
    """A grey image of 9 to 16 bits as 8 bits."""
    tags = getattr(image, "tag_v2", {})  # TIFF: 258 is BitsPerSample, 262 PhotometricInterpretation
    top = 2 ** tags.get(258, (16,))[0] - 1
    wide = np.asarray(image).astype(np.float64)
    if tags.get(262) == 0:  # white is zero, which Pillow heeds in 8 bits only
        wide = top - wide
    grey = np.round(wide * 255 / top)
    if "transparency" in image.info:
        grey[wide == image.info["transparency"]] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of mode L, RGB or CMYK in sRGB, from its ICC profile where it has one."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if source.profile.xcolor_space.strip() == "RGB" and image.mode == "L":
                image = image.convert("RGB")
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            assert converted is not None
            return converted
        except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError) as error:
            warnings.warn(f"its colour profile cannot be used ({error}), so it is taken as sRGB", stacklevel=1)
    return image.convert("RGB")


def square(image: Image.Image, size: int, resampling: Image.Resampling) -> Image.Image:
    """The centre square, `size` x `size` pixels."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.resize((size, size), resampling, box=(left, top, left + side, top + side))
