"""Entry maps and counts: equal to the paper's sets, pixel for pixel."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute.scoring.entry import (
    EntryMap,
    Sizes,
    count,
    entry_of_priorities,
    entry_of_superpixels,
    scheduled_sizes,
    sizes_of,
)
from compute.store.schema import N_SIZES

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)
Mask = npt.NDArray[np.bool_]
NS = range(1, N_SIZES + 1)


@st.composite
def maps_and_regions(draw: st.DrawFn) -> tuple[EntryMap, Mask]:
    shape = draw(SHAPES)
    entry = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, N_SIZES)))
    return entry, draw(hnp.arrays(np.bool_, shape))


@st.composite
def priorities_and_sizes(draw: st.DrawFn) -> tuple[npt.NDArray[np.float64], Sizes]:
    shape = draw(SHAPES)
    coarse = st.integers(-2, 2).map(float)  # many ties
    priorities = draw(hnp.arrays(np.float64, shape, elements=coarse | st.floats(-1e9, 1e9)))
    sizes = draw(st.lists(st.integers(0, priorities.size), min_size=N_SIZES, max_size=N_SIZES))
    return priorities, np.sort(np.array(sizes, dtype=np.int64))


@given(maps_and_regions())
def test_counts_are_those_of_the_masks(case: tuple[EntryMap, Mask]) -> None:
    entry, region = case
    pixels, hits = count(entry, region)
    for n in NS:
        chosen = (entry > 0) & (entry <= n)
        assert pixels[n - 1] == chosen.sum()
        assert hits[n - 1] == (chosen & region).sum()


@given(priorities_and_sizes(), st.integers(0, 2**32 - 1))
def test_the_best_pixels_enter_as_many_as_asked_for(case: tuple[npt.NDArray[np.float64], Sizes], seed: int) -> None:
    priorities, sizes = case
    entry = entry_of_priorities(priorities, sizes, np.random.default_rng(seed))
    assert np.array_equal(sizes_of(entry), sizes)
    for n in NS:
        chosen = (entry > 0) & (entry <= n)
        if chosen.any() and not chosen.all():
            assert priorities[chosen].min() >= priorities[~chosen].max()


def test_ties_are_broken_evenly() -> None:
    """Of equal pixels each is chosen equally often: 500 draws of 25 of 100; 3.3 standard deviations would be 32."""
    flat = np.zeros((10, 10))
    sizes = np.full(N_SIZES, 25, dtype=np.int64)
    chosen = sum((entry_of_priorities(flat, sizes, np.random.default_rng(i)) > 0).astype(int) for i in range(500))
    assert np.sum(chosen) == 500 * 25
    spread = np.sqrt(500 * 0.25 * 0.75)
    assert np.abs(chosen - 125).max() < 4.5 * spread
    rows = np.asarray(chosen).sum(axis=1)
    assert np.abs(rows - 1250).max() < 4.5 * spread * np.sqrt(10)


def test_ties_are_broken_by_the_generator_alone() -> None:
    flat, sizes = np.zeros((8, 8)), scheduled_sizes(64)
    one, same, other = (entry_of_priorities(flat, sizes, np.random.default_rng(i)) for i in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@given(hnp.arrays(np.int32, SHAPES, elements=st.integers(0, 40)), st.data())
def test_superpixels_enter_whole_and_in_order(segments: npt.NDArray[np.int32], data: st.DataObject) -> None:
    labels = np.unique(segments).tolist()
    ranked = data.draw(st.permutations(labels).flatmap(lambda p: st.integers(0, len(p)).map(lambda k: p[:k])))
    entry = entry_of_superpixels(segments, ranked)
    for n in NS:
        union = np.isin(segments, ranked[:n])
        assert np.array_equal((entry > 0) & (entry <= n), union)


def test_superpixels_that_cannot_be_ranked_are_refused() -> None:
    segments = np.array([[0, 1], [2, 2]])
    with pytest.raises(ValueError, match="ranked twice"):
        entry_of_superpixels(segments, [1, 2, 1])
    with pytest.raises(ValueError, match="superpixel 7 is not in the segments"):
        entry_of_superpixels(segments, [1, 7])


@given(maps_and_regions())
def test_pixels_follow_the_superpixels_union(case: tuple[EntryMap, Mask]) -> None:
    """Whatever the union of superpixels, a pixel explanation has exactly as many pixels at every n."""
    union, _ = case
    priorities = np.random.default_rng(0).random(union.shape)
    assert np.array_equal(
        sizes_of(entry_of_priorities(priorities, sizes_of(union), np.random.default_rng(1))), sizes_of(union)
    )


@given(st.integers(1, 10**6))
def test_scheduled_sizes_are_per_cents(pixels: int) -> None:
    sizes = scheduled_sizes(pixels)
    assert [int(size) for size in sizes] == [n * pixels // 100 for n in NS]


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_random_priorities_hit_as_often_as_chance(share: float) -> None:
    """Hits are hypergeometric: over 400 draws their mean lies within 4 standard errors of |P||C|/N."""
    rng = np.random.default_rng(0)
    region = np.zeros((40, 40), bool)
    region.ravel()[: int(share * 1600)] = True
    sizes = scheduled_sizes(1600)
    hits = np.array([count(entry_of_priorities(rng.random((40, 40)), sizes, rng), region)[1] for _ in range(400)])
    inside = int(region.sum())
    expected = sizes * inside / 1600
    variance = sizes * inside / 1600 * (1 - inside / 1600) * (1600 - sizes) / 1599
    assert np.all(np.abs(hits.mean(axis=0) - expected) < 4 * np.sqrt(variance / 400))
