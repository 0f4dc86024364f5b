"""Measures of a ranking: against scikit-learn, against their definitions, and on constructed cases."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from compute.scoring.measures import Measured, expected_jaccard, gini, measure

SIDE = 12


def both(values: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> Measured:
    return measure(values, inside, values)


def region(seed: int, pixels: int = 30) -> npt.NDArray[np.bool_]:
    flat = np.zeros(SIDE * SIDE, bool)
    flat[np.random.default_rng(seed).permutation(flat.size)[:pixels]] = True
    return flat.reshape(SIDE, SIDE)


@given(st.integers(0, 2**31), st.integers(2, 200), st.integers(1, SIDE * SIDE - 1))
def test_auroc_and_average_precision_are_scikit_learns_ties_included(seed: int, levels: int, pixels: int) -> None:
    values = np.random.default_rng(seed).integers(0, levels, (SIDE, SIDE)).astype(float)
    inside = region(seed, pixels)
    found = both(values, inside)
    assert found.auroc == pytest.approx(roc_auc_score(inside.ravel(), values.ravel()))
    assert found.average_precision == pytest.approx(average_precision_score(inside.ravel(), values.ravel()))


@given(st.integers(0, 2**31), st.integers(1, SIDE * SIDE - 1))
def test_the_first_c_pixels_by_definition(seed: int, pixels: int) -> None:
    values = np.random.default_rng(seed).permutation(SIDE * SIDE).reshape(SIDE, SIDE).astype(float)
    inside = region(seed, pixels)
    first = np.zeros((SIDE, SIDE), bool)
    first.flat[np.argsort(-values.ravel())[:pixels]] = True
    found = both(values, inside)
    assert found.jaccard_at_region == pytest.approx((first & inside).sum() / (first | inside).sum())
    assert found.rank_accuracy == pytest.approx((first & inside).sum() / pixels)
    assert found.pointing == inside.ravel()[values.argmax()]
    assert found.mass == pytest.approx(values[inside].sum() / values.sum())


def test_a_perfect_explanation_scores_one_everywhere() -> None:
    inside = region(0)
    found = both(inside.astype(float), inside)
    assert found[:-1] == (1,) * 8


def test_the_opposite_scores_nothing() -> None:
    inside = region(0)
    found = both((~inside).astype(float), inside)
    assert (found.jaccard_at_region, found.auroc, found.pointing, found.mass, found.energy) == (0, 0, 0, 0, 0)
    assert found.chance_corrected < 0


def test_saying_nothing_scores_as_chance() -> None:
    """All equal: no order of the pixels is any better than another."""
    inside = region(0)
    found = both(np.zeros((SIDE, SIDE)), inside)
    share = inside.mean()
    assert found.auroc == 0.5
    assert found.rank_accuracy == pytest.approx(share)
    assert found.average_precision == pytest.approx(share)
    assert found.pointing == pytest.approx(share)
    assert (found.mass, found.energy) == (None, None)


def test_random_rankings_meet_their_expectation() -> None:
    inside, rng = region(0), np.random.default_rng(0)
    found = [both(rng.random((SIDE, SIDE)), inside) for _ in range(2000)]
    for name, expected in (("auroc", 0.5), ("chance_corrected", 0), ("rank_accuracy", 30 / 144), ("mass", 30 / 144)):
        values = np.array([getattr(m, name) for m in found])
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(len(values))
    jaccards = np.array([m.jaccard_at_region for m in found])
    assert abs(jaccards.mean() - expected_jaccard(144, 30)) < 4 * jaccards.std() / np.sqrt(len(jaccards))


def test_negative_values_are_no_mass() -> None:
    inside = np.zeros((1, 4), bool)
    inside[0, 0] = True
    found = both(np.array([[3.0, 1.0, -5.0, 0.0]]), inside)
    assert found.mass == 0.75
    assert found.energy == pytest.approx(8 / (8 + 6 + 0 + 5))


def test_an_order_alone_has_no_mass() -> None:
    found = measure(np.arange(144.0).reshape(SIDE, SIDE), region(0), None)
    assert (found.mass, found.energy, found.gini) == (None, None, None)


def test_a_region_that_is_everything_is_found_by_anything() -> None:
    everything = np.ones((SIDE, SIDE), bool)
    assert both(np.random.default_rng(0).random((SIDE, SIDE)), everything)[:8] == (1,) * 8


def test_gini_tells_concentration() -> None:
    assert gini(np.ones((5, 5))) == pytest.approx(0)
    one = np.zeros((5, 5))
    one[2, 2] = 3
    assert gini(one) == pytest.approx(24 / 25)
    assert gini(np.zeros((5, 5))) == 0
    assert gini(np.array([[1.0, 3.0]])) == pytest.approx(0.25)
