"""Images in the store are lossless."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute.inputs.source import Bytes
from compute.store.png import from_png, png


@given(
    array=st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=2, max_dims=2))
    )
)
def test_png_is_lossless(array: Bytes) -> None:
    assert np.array_equal(from_png(png(array)), array)


@given(rgb=hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_of_rgb_is_lossless(rgb: Bytes) -> None:
    assert np.array_equal(from_png(png(rgb)), rgb)
