"""Label images beside photos: no region is lost, none moves."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import RGB, only, saved
from PIL import Image

from compute.inputs.photos import find, load
from compute.inputs.regions import MOST_LABELS, storable
from compute.inputs.source import PhotoError, Source


def drawn(tmp_path: Path, labels: Image.Image, photo: Image.Image | None = None) -> Source:
    """A photo with a label image beside it."""
    path = saved(tmp_path / "a.png", photo)
    saved(tmp_path / "a.regions.png", labels, format="TIFF" if labels.mode in ("I", "F", "I;16B") else "PNG")
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
    path = saved(tmp_path / "a.png")
    before = only(path).photo_id
    saved(tmp_path / "a.regions.png", Image.new("L", (120, 90)))
    assert only(path).photo_id != before
    assert [source.name for source in find([str(tmp_path)])[0]] == ["a.png"]


def _stripes(*values: float, dtype: npt.DTypeLike = np.int32) -> Image.Image:
    """A label image of the photo's size: columns of one value each."""
    return Image.fromarray(np.tile(np.repeat(np.array(values, dtype), 120 // len(values)), (90, 1)))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (_stripes(0, 1, dtype=bool), [0, 1]),
        (_stripes(0, 200, dtype=np.uint8), [0, 200]),
        (_stripes(5, 65535, dtype=np.uint16), [5, 65535]),
        (_stripes(5, 65535, dtype=">u2"), [5, 65535]),
        (_stripes(0, 65535), [0, 65535]),
        (_stripes(70_000, 70_000 - 65_536, 0), [2, 1, 0]),
        (_stripes(-1, 65_535), [0, 1]),
        (_stripes(0.25, 0.5, 0.75, dtype=np.float32), [0, 1, 2]),
        (_stripes(1, np.nan, dtype=np.float32), [0, 1]),
    ],
)
def test_labels_of_any_type_keep_their_regions(tmp_path: Path, labels: Image.Image, expected: list[int]) -> None:
    regions = load(drawn(tmp_path, labels), 90).regions
    assert regions is not None
    middle = regions[:, 45 - 90 // 2 :][0]
    assert list(dict.fromkeys(middle.tolist())) == expected
    assert np.array_equal(regions.astype(np.uint16), regions)


ARRAYS = st.sampled_from(
    [np.bool_, np.uint8, np.uint16, np.int16, np.int64, np.uint64, np.float32, np.float64]
).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)))


@given(labels=ARRAYS)
def test_storable_labels_are_the_same_regions_in_sixteen_bits(labels: npt.NDArray[np.generic]) -> None:
    found = storable(labels)
    assert found.dtype == np.int32
    stored = found.astype(np.uint16)
    same = np.unique(labels, return_inverse=True)[1].ravel()
    assert np.array_equal(same[:, None] == same, stored.ravel()[:, None] == stored.ravel())
    if labels.dtype in (np.bool_, np.uint8, np.uint16):
        assert np.array_equal(found, labels)


def test_more_regions_than_a_store_tells_apart_are_refused() -> None:
    most = np.arange(-1, MOST_LABELS - 1)[None]
    assert np.array_equal(storable(most), most + 1)
    with pytest.raises(PhotoError, match="65,537 regions, of which a store tells 65,536 apart: make them larger"):
        storable(np.arange(MOST_LABELS + 1)[None])


def test_a_label_image_is_turned_as_it_is_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    path = saved(tmp_path / "a.png")
    saved(tmp_path / "a.regions.png", Image.fromarray(RGB[::-1, ::-1, 0]), exif=exif)
    regions = load(only(path), 90).regions
    assert regions is not None
    assert np.array_equal(regions, RGB[:, 15:105, 0])


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


def test_a_broken_label_image_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    (tmp_path / "a.regions.png").write_bytes(b"not a picture")
    with pytest.raises(PhotoError, match=r"^a\.regions\.png: not a readable image"):
        load(only(path), 64)
