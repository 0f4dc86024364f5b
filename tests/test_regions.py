"""Regions: the largest segments, whole and disjoint."""

from itertools import pairwise

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute.inputs.regions import Labels, Segmentation, largest
from compute.inputs.source import PhotoError

LABELS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 6))


@given(labels=LABELS, count=st.integers(1, 8))
def test_largest_are_the_largest_segments_in_order(labels: Labels, count: int) -> None:
    regions = largest(labels, count)
    values, pixels = np.unique(labels, return_counts=True)
    assert len(regions) == min(count, len(values))
    assert [region.rank for region in regions] == list(range(1, len(regions) + 1))
    assert [region.pixels for region in regions] == sorted(pixels.tolist(), reverse=True)[:count]
    for region in regions:
        assert np.array_equal(region.mask, labels == region.segment)
    for a, b in pairwise(regions):
        assert (-a.pixels, a.segment) < (-b.pixels, b.segment)


def test_segments_follow_the_picture_and_their_least_size() -> None:
    rgb = np.zeros((60, 60, 3), np.uint8)
    rgb[:, 30:] = 200
    labels = Segmentation(scale=100, sigma=0.5, min_size=50).of(rgb)
    assert labels.shape == (60, 60)
    assert len(np.unique(labels[:, :25])) == len(np.unique(labels[:, 35:])) == 1
    assert labels[0, 0] != labels[0, -1]
    noisy = Segmentation(scale=20, sigma=0.5, min_size=40).of(tiny.photo(0))
    assert np.unique(noisy, return_counts=True)[1].min() >= 40


def test_a_larger_scale_gives_larger_segments() -> None:
    few, many = (len(np.unique(Segmentation(scale=s, sigma=0.5, min_size=1).of(tiny.photo(0)))) for s in (500, 5))
    assert few < many


def test_segments_are_storable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the settings: a large photo in tiny segments has more of them than the store has labels."""
    many = np.arange(260 * 260).reshape(260, 260)
    monkeypatch.setattr("compute.inputs.regions.felzenszwalb", lambda rgb, **_: many)
    with pytest.raises(PhotoError, match="67,600 regions, of which a store tells 65,536 apart"):
        Segmentation(scale=1, sigma=0, min_size=1).of(np.zeros((260, 260, 3), np.uint8))
