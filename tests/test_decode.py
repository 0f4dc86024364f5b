"""Any image file gives a square sRGB crop or a reason in words."""

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage
import tifffile
import tiny
from hypothesis import given
from hypothesis import strategies as st
from pictures import RGB, only, saved
from PIL import Image

from compute.errors import Notice
from compute.inputs import decode, photos
from compute.inputs.decode import upright
from compute.inputs.photos import load
from compute.inputs.source import PhotoError, from_array

LOSSY = {".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".avif", ".heic", ".hif"}


@pytest.mark.parametrize("suffix", sorted({*LOSSY, ".JPG", ".png", ".apng", ".tif", ".tiff", ".bmp"}))
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    lossy = suffix.lower() in LOSSY
    saved(tmp_path / f"a{suffix}", quality=95)
    ((source,), passed) = photos.find([str(tmp_path)])
    assert not passed
    crop = load(source, 90).rgb
    assert crop.shape == (90, 90, 3)
    assert crop.dtype == np.uint8
    assert np.abs(crop.astype(int) - RGB[:, 15:105]).mean() < (8 if lossy else 1e-9)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG", "AVIF", "MPO"])
def test_of_many_frames_the_first_is_taken(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (80, 80), colour) for colour in ("red", "lime")]
    path = tmp_path / "a.jpg"  # the content counts, not the name
    frames[0].save(path, kind, save_all=True, append_images=frames[1:])
    assert np.abs(load(only(path), 80).rgb.astype(int) - (255, 0, 0)).max() < 5


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "TGA", "PCX", "SGI", "JPEG2000", "PDF"])
def test_other_decoders_never_see_a_file_whatever_its_name(tmp_path: Path, kind: str) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg", kind)
    with pytest.raises(
        PhotoError, match=r"not a readable image \(is none of AVIF, BMP, GIF, HEIF, JPEG, PNG, TIFF, WEBP"
    ):
        load(only(tmp_path / "a.jpg"), 64)


def test_crop_is_the_centre_square_at_the_size_asked_for() -> None:
    rgb = np.zeros((80, 200, 3), np.uint8)
    rgb[:, 60:140] = 255
    photo = load(from_array("bar", rgb), 40)
    assert photo.rgb.shape == (40, 40, 3)
    assert photo.rgb[:, 1:-1].min() == 255  # bicubic looks one pixel beyond the square's edge
    assert (photo.original_width, photo.original_height) == (200, 80)


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "HSV", "F")


@pytest.mark.parametrize("kind", decode.FORMATS)
def test_every_mode_that_a_format_holds_becomes_rgb_or_a_reason(tmp_path: Path, kind: str) -> None:
    grey = np.tile(np.linspace(0, 255, 80), (80, 1)).astype(np.uint8)
    held = 0
    for mode in MODES:
        image = Image.fromarray(grey).convert("RGB").convert(mode)
        try:
            image.save(tmp_path / f"{mode}.tif", kind)  # the content counts, not the name
        except (KeyError, OSError, ValueError):
            continue
        held += 1
        if (kind, mode) == ("TIFF", "F"):
            with pytest.raises(PhotoError, match="floating-point"):
                load(only(tmp_path / "F.tif"), 80)
            continue
        error = load(only(tmp_path / f"{mode}.tif"), 80).rgb.astype(float) - grey[..., None]
        assert np.abs(error.reshape(4, 20, 4, 20, 3).mean(axis=(1, 3))).max() < 5, mode
        assert mode in {"1", "P", "PA"} or np.abs(error).max() < 8, mode  # those have few values, dithered
    assert held > 3


def twelve_bits(values: np.ndarray[Any, Any], orientation: int) -> bytes:
    """A grey TIFF whose samples fill 12 bits, which Pillow reads and does not write."""
    height, width = values.shape
    pairs = values.reshape(-1, 2).astype(np.uint32)
    joined = pairs[:, 0] << 12 | pairs[:, 1]
    data = np.stack([joined >> 16, joined >> 8 & 255, joined & 255], axis=1).astype(np.uint8).tobytes()
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 274: orientation, 277: 1, 278: height}
    tags[279] = len(data)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize(
    "kind", ["png", "hif", "tif", "tif, big-endian", "tif, white is zero", "tif, 12 bits", "tif, 12 bits, turned"]
)
def test_deep_greys_are_scaled_by_their_depth_not_cut(tmp_path: Path, kind: str) -> None:
    top = 4095 if "12 bits" in kind else 65535
    wide = np.tile(np.linspace(0, top, 100).astype(np.uint16), (100, 1))
    path = tmp_path / f"a.{kind[:3]}"
    if "12 bits" in kind:
        path.write_bytes(twelve_bits(wide[:, ::-1] if "turned" in kind else wide, 3 if "turned" in kind else 1))
    elif "zero" in kind:
        tifffile.imwrite(path, top - wide, photometric="miniswhite")
    elif "big" in kind:
        tifffile.imwrite(path, wide, byteorder=">")
    else:
        saved(path, Image.fromarray(wide))
    crop = load(only(path), 100).rgb
    assert np.abs(crop - wide[..., None] / top * 255).max() < (3 if kind == "hif" else 0.5 + 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.int32, np.uint32])
def test_values_of_unknown_range_are_refused_in_words(tmp_path: Path, dtype: Any) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((80, 80), dtype), photometric="minisblack")
    with pytest.raises(PhotoError, match="32-bit, signed or floating-point values of unknown range"):
        load(only(tmp_path / "a.tif"), 64)


def test_transparent_deep_grey_lies_over_white(tmp_path: Path) -> None:
    wide = np.zeros((80, 80), np.uint16)
    wide[:, 40:] = 257 * 100
    crop = load(only(saved(tmp_path / "a.png", Image.fromarray(wide), transparency=0)), 80).rgb
    assert crop[:, :40].min() == 255
    assert crop[:, 41:].max() == 100


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((80, 80, 4), np.uint8)
    rgba[:, 40:, 3] = 255
    crop = load(only(saved(tmp_path / "a.png", Image.fromarray(rgba))), 80).rgb
    assert crop[:, :40].min() == 255
    assert crop[:, 40:].max() == 0


def test_transparent_palette_colour_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (80, 80), 0)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.paste(1, (0, 0, 40, 80))
    crop = load(only(saved(tmp_path / "a.png", image, transparency=0)), 80).rgb
    assert crop[:, 40:].min() == 255
    assert tuple(crop[40, 20]) == (200, 0, 0)


def adobe_rgb() -> bytes:
    """The colour profile of a photo that scikit-image bundles."""
    with Image.open(Path(skimage.__file__).parent / "data" / "rocket.jpg") as image:
        return bytes(image.info["icc_profile"])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_colours_are_converted_from_their_profile_to_srgb(tmp_path: Path, mode: str) -> None:
    """Against the arithmetic of Adobe RGB (1998): gamma 563/256, its primaries, the white of sRGB."""
    image = Image.new("RGB", (80, 80), (180, 90, 60)).convert(mode, palette=Image.Palette.ADAPTIVE)
    colour = np.array(image.convert("RGB").getpixel((0, 0)))
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    from_xyz = np.array([[3.24045, -1.53714, -0.49853], [-0.96927, 1.87601, 0.04156], [0.05564, -0.20403, 1.05723]])
    linear = from_xyz @ to_xyz @ (colour / 255) ** (563 / 256)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    crop = load(only(saved(tmp_path / "a.png", image, icc_profile=adobe_rgb())), 64).rgb
    assert np.abs(crop - expected).max() < 2
    assert mode == "L" or np.abs(colour - expected).max() > 10


@pytest.mark.parametrize(("mode", "profile"), [("RGB", b"no profile"), ("CMYK", None)])
def test_a_profile_that_cannot_be_used_is_said(tmp_path: Path, mode: str, profile: bytes | None) -> None:
    image = Image.fromarray(RGB).convert(mode)
    path = saved(tmp_path / "a.tif", image, icc_profile=profile or adobe_rgb())
    with pytest.warns(Notice, match=r"photo a\.tif: its colour profile cannot be used .* taken as sRGB"):
        crop = load(only(path), 90).rgb
    assert np.array_equal(crop, np.array(image.convert("RGB"))[:, 15:105])


def test_what_a_decoder_warns_of_names_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0")
    with pytest.warns(Notice, match=r"photo a\.jpg: Corrupt EXIF data") as caught:
        load(only(path), 64)
    assert {warning.category for warning in caught} == {Notice}


def test_warnings_of_others_meanwhile_are_not_the_photo_s(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="^of another thread$") as caught, upright(saved(tmp_path / "a.png")):
        warnings.warn_explicit("of another thread", UserWarning, "explainers/other.py", 1)
    assert [warning.category for warning in caught] == [UserWarning]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_respected(tmp_path: Path, orientation: int) -> None:
    """What a viewer shows is what is cropped: the same upright picture from eight ways of storing it."""
    upright = Image.fromarray(RGB)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = load(only(saved(tmp_path / "a.png", stored, exif=exif)), 90)
    assert (photo.original_width, photo.original_height) == (120, 90)
    assert np.array_equal(photo.rgb, RGB[:, 15:105])


def bomb() -> bytes:
    """A PNG whose header promises 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def encoded(size: tuple[int, int], kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tiny.photo(0, size[1], size[0])).save(buffer, kind)
    return buffer.getvalue()


BROKEN = {
    "text.jpg": (b"This is not a picture.\n", "not a readable image"),
    "empty.jpg": (b"", "not a readable image"),
    "truncated.jpg": (encoded((200, 200), "JPEG")[:2000], "not a readable image.*truncated"),
    "truncated.png": (encoded((200, 200), "PNG")[:2000], "not a readable image"),
    "small.png": (encoded((20, 20), "PNG"), "20 x 20 pixels: the shorter side must have at least 64"),
    "flat.png": (encoded((400, 1), "PNG"), "400 x 1 pixels"),
    "bomb.png": (bomb(), "decompression bomb"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_reason(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PhotoError, match=reason):
        load(only(tmp_path / name), 64)


def test_a_moderate_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MAX_PIXELS", 10_000)
    path = saved(tmp_path / "a.png")

    def never(*_: object) -> None:
        raise AssertionError("decoded")

    source = only(path)
    monkeypatch.setattr(photos, "to_rgb", never)
    with pytest.raises(PhotoError, match="120 x 90 pixels: taken for a decompression bomb"):
        load(source, 64)


@given(cut=st.integers(0, 3000), noise=st.binary(max_size=40))
def test_damaged_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    content = encoded((80, 80), "JPEG")
    path = tmp_path_factory.getbasetemp() / "damaged.jpg"
    path.write_bytes(content[:cut] + noise + content[cut + len(noise) :])
    try:
        assert load(only(path), 64).rgb.shape == (64, 64, 3)
    except PhotoError as error:
        assert str(error)
