"""Photos in memory are copies, and no two photos share an id."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from compute.errors import InputError
from compute.inputs.photos import load
from compute.inputs.source import Source, from_array, unique


def test_frames_through_one_buffer_are_photos_of_their_own() -> None:
    buffer = np.empty((80, 96, 3), np.uint8)
    sources = []
    for seed in range(3):
        buffer[:] = tiny.photo(seed)
        sources.append(from_array("frame", buffer))
    for seed, source in enumerate(sources):
        assert np.array_equal(load(source, 80).rgb, tiny.photo(seed)[:, 8:88])


def test_a_photo_in_memory_cannot_be_written_to() -> None:
    source = from_array("a", tiny.photo(0))
    assert source.pixels is not None
    with pytest.raises(ValueError, match="read-only"):
        source.pixels[0] = 0
    load(source, 96).rgb[:] = 0
    assert load(source, 80).rgb.max() > 0


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.zeros((80, 80), np.uint8), r"\(80, 80\) uint8"),
        (np.zeros((80, 80, 3)), r"\(80, 80, 3\) float64"),
        (np.zeros((80, 80, 3), bool), r"\(80, 80, 3\) bool"),
        (np.zeros((80, 80, 3), complex), r"\(80, 80, 3\) complex128"),
        (np.zeros((80, 80, 4), np.uint8), r"\(80, 80, 4\)"),
        (np.ma.masked_array(np.zeros((80, 80, 3), np.uint8), mask=True), "MaskedArray"),
        ([[[0, 0, 0]]], "list"),
        (None, "NoneType"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(array: Any, got: str) -> None:
    with pytest.raises(InputError, match=rf"photo a: expected .*\(H, W, 3\) uint8, got {got}"):
        from_array("a", array)


@given(name=st.text(st.characters(), max_size=50))
def test_any_name_can_be_stored(name: str) -> None:
    """Also one with surrogates, as names of files that are not UTF-8 have."""
    source = from_array(name, np.zeros((2, 2, 3), np.uint8))
    (source.name + source.photo_id).encode()
    assert source.photo_id.isascii()


def _found(name: str, digest: str) -> Source:
    return replace(from_array(name, tiny.photo(0)), photo_id=f"{name}-{digest[:8]}", sha256=digest)


def test_ids_that_collide_become_ids_of_the_whole_digest() -> None:
    one, two, other = "0" * 8 + "1" * 56, "0" * 8 + "2" * 56, "f" * 64
    given = [_found("a", one), _found("a", two), _found("a", other), _found("b", one[::-1])]
    found, passed = unique(given)
    assert not passed
    assert [source.photo_id for source in found] == [f"a-{one}", f"a-{two}", "a-ffffffff", "b-11111111"]
    assert unique(given[::-1]) == (found, passed)


def test_a_photo_given_twice_counts_once_and_is_said() -> None:
    given = [from_array("b", tiny.photo(0)), from_array("a", tiny.photo(0)), from_array("c", tiny.photo(1))]
    found, passed = unique(given)
    assert [source.name for source in found] == ["a", "c"]
    assert passed == [("b", "the same photo as a")]
