"""Photos: any file gives a square RGB crop or a reason in words."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from compute.errors import InputError
from compute.inputs import photos
from compute.inputs.photos import PhotoError, find, from_array, load
from compute.store.png import from_png, png

RGB = tiny.photo(1, 90, 120)


def only(path: Path) -> photos.Source:
    """The one photo at a path."""
    ((source,), _) = find([str(path)])
    return source


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".png", ".webp", ".tif", ".tiff"])
def test_every_format_is_read(tmp_path: Path, suffix: str) -> None:
    lossy = suffix.lower() in {".jpg", ".jpeg", ".webp"}
    saved(tmp_path / f"a{suffix}", Image.fromarray(RGB), **({"quality": 95} if lossy else {}))
    ((source,), passed) = find([str(tmp_path)])
    assert not passed
    crop = load(source, 90).rgb
    assert crop.shape == (90, 90, 3)
    assert crop.dtype == np.uint8
    assert np.abs(crop.astype(int) - RGB[:, 15:105]).mean() < (8 if lossy else 1e-9)


def test_crop_is_the_centre_square_at_the_size_asked_for() -> None:
    rgb = np.zeros((80, 200, 3), np.uint8)
    rgb[:, 60:140] = 255
    photo = load(from_array("bar", rgb), 40)
    assert photo.rgb.shape == (40, 40, 3)
    assert photo.rgb[:, 1:-1].min() == 255  # bicubic looks one pixel beyond the square's edge
    assert (photo.original_width, photo.original_height) == (200, 80)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA", "YCbCr"])
def test_any_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.repeat(np.tile(np.linspace(0, 255, 80), (80, 1))[..., None], 3, axis=2).astype(np.uint8)
    image = Image.fromarray(grey).convert(mode)
    path = saved(tmp_path / f"a{'.png' if mode in {'L', 'P', '1', 'LA', 'RGBA'} else '.tif'}", image)
    crop = load(only(path), 80).rgb
    assert crop.shape == (80, 80, 3)
    means = (crop.astype(float) - grey).reshape(4, 20, 4, 20, 3).mean(axis=(1, 3))
    assert np.abs(means).max() < 30  # one bit and the palette are dithered: only local means survive
    assert mode in {"1", "P"} or np.abs(crop.astype(float) - grey).max() < 12


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    wide = np.tile(np.linspace(0, 65535, 100).astype(np.uint16), (100, 1))
    crop = load(only(saved(tmp_path / "a.png", Image.fromarray(wide))), 100).rgb
    assert np.array_equal(crop, np.repeat(np.round(wide / 257).astype(np.uint8)[..., None], 3, axis=2))


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


def test_floating_point_is_refused_in_words(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.random.default_rng(0).random((80, 80)).astype(np.float32)))
    with pytest.raises(PhotoError, match="floating-point"):
        load(only(path), 64)


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
    monkeypatch.setattr(photos, "MAX_PIXELS", 10_000)
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))

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


def test_two_files_of_one_name_are_two_photos(tmp_path: Path) -> None:
    for seed, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        saved(tmp_path / folder / "Same Name.png", Image.fromarray(tiny.photo(seed)))
    found, passed = find([str(tmp_path)])
    assert not passed
    assert len({source.photo_id for source in found}) == 2
    assert all(source.photo_id.startswith("same-name-") for source in found)


def test_the_same_photo_counts_once_and_says_where(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        saved(tmp_path / name, Image.fromarray(RGB))
    found, passed = find([str(tmp_path)])
    assert [source.name for source in found] == ["a.png"]
    assert passed == [(str(tmp_path / "b.png"), f"the same photo as {tmp_path / 'a.png'}")]


def test_order_of_what_is_given_does_not_matter(tmp_path: Path) -> None:
    paths = [str(saved(tmp_path / f"{name}.png", Image.fromarray(tiny.photo(i)))) for i, name in enumerate("cab")]
    forward, _ = find(paths)
    backward, _ = find(paths[::-1])
    assert forward == backward
    assert [source.name for source in forward] == ["a.png", "b.png", "c.png"]
    ids = [source.photo_id for source in forward]
    assert ids == sorted(ids)


@pytest.mark.parametrize("inside", [False, True])
def test_no_photo_is_an_error_that_names_the_option(tmp_path: Path, inside: bool) -> None:
    if inside:
        (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(InputError, match=r"--photos .*: no photo found \(looked for .jpg"):
        find([str(tmp_path)])


def test_a_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        find([str(tmp_path / "nowhere")])


def test_an_unreadable_file_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "a.png", Image.fromarray(RGB))
    (tmp_path / "folder.png").mkdir()  # a path that looks like a photo and cannot be read
    found, passed = find([str(tmp_path)])
    assert [source.name for source in found] == ["a.png"]
    assert passed[0][0].endswith("folder.png")
    assert passed[0][1].startswith("cannot be read")


def test_bundled_photos_are_the_six_with_their_licences() -> None:
    found, passed = find([])
    assert not passed
    names = {source.name for source in found}
    assert names == {"astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg"}
    assert all(source.licence and "bundled" in source.origin for source in found)


def test_licences_come_from_the_list_beside_the_photos(tmp_path: Path) -> None:
    for i, name in enumerate(("a.png", "b.png")):
        saved(tmp_path / name, Image.fromarray(tiny.photo(i)))
    (tmp_path / "SOURCES.csv").write_text("file,licence\na.png,CC0-1.0\n")
    found, _ = find([str(tmp_path)])
    assert [source.licence for source in found] == ["CC0-1.0", None]


def drawn(tmp_path: Path, labels: Image.Image, photo: Image.Image | None = None) -> photos.Source:
    """A photo with a label image beside it."""
    path = saved(tmp_path / "a.png", photo or Image.fromarray(RGB))
    saved(tmp_path / "a.regions.png", labels)
    return only(path)


@pytest.mark.parametrize("kind", ["L", "I;16", "P"])
def test_drawn_regions_are_cropped_as_the_photo_is(tmp_path: Path, kind: str) -> None:
    """Labels mark where the red channel is; after cropping and resizing they still do."""
    labels = (np.arange(120)[None, :] // 30 + np.zeros((90, 1), int)).astype(np.uint8)
    rgb = np.repeat((labels * 80)[..., None], 3, axis=2).astype(np.uint8)
    values = labels.astype(np.uint16) * 1000 if kind == "I;16" else labels
    image = Image.fromarray(values)
    if kind == "P":
        image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    photo = load(drawn(tmp_path, image, Image.fromarray(rgb)), 45)
    assert photo.regions is not None
    assert photo.regions.dtype == np.int32
    assert set(np.unique(photo.regions)) == set(np.unique(values))
    shown = np.round(photo.rgb[..., 0] / 80) * (1000 if kind == "I;16" else 1)
    assert (shown == photo.regions).mean() > 0.9  # bicubic blurs the three borders


def test_drawn_regions_follow_the_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(RGB).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    saved(tmp_path / "a.regions.png", Image.fromarray(RGB[..., 0]))
    photo = load(only(path), 90)
    assert photo.regions is not None
    assert np.array_equal(photo.regions, RGB[:, 15:105, 0])


def test_drawn_regions_are_part_of_the_photo_s_identity(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(RGB))
    before = only(path).photo_id
    saved(tmp_path / "a.regions.png", Image.new("L", (120, 90)))
    assert only(path).photo_id != before
    assert [source.name for source in find([str(tmp_path)])[0]] == ["a.png"]


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (Image.new("L", (60, 60)), "a.regions.png: 60 x 60 pixels where the photo has 120 x 90"),
        (Image.new("RGB", (120, 90)), "a.regions.png: mode RGB; a label image has one channel"),
    ],
)
def test_unusable_drawn_regions_are_a_reason(tmp_path: Path, labels: Image.Image, reason: str) -> None:
    with pytest.raises(PhotoError, match=reason):
        load(drawn(tmp_path, labels), 64)


@pytest.mark.parametrize(
    "array", [np.zeros((80, 80), np.uint8), np.zeros((80, 80, 3)), np.zeros((80, 80, 4), np.uint8)]
)
def test_arrays_of_another_shape_or_type_are_refused(array: photos.Bytes) -> None:
    with pytest.raises(InputError, match=r"expected \(H, W, 3\) uint8"):
        from_array("a", array)


@given(
    array=st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=2, max_dims=2))
    )
)
def test_png_is_lossless(array: photos.Bytes) -> None:
    assert np.array_equal(from_png(png(array)), array)


@given(rgb=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_of_rgb_is_lossless(rgb: photos.Bytes) -> None:
    assert np.array_equal(from_png(png(rgb)), rgb)
