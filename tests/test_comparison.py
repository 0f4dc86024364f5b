"""Which methods differ, on made populations."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import wilcoxon

from compute.reporting.comparison import cliques, compare, in_words, too_few
from compute.reporting.intervals import holm


def test_cliques_are_the_longest_runs_without_a_difference() -> None:
    apart = np.zeros((5, 5), bool)
    for i, j in ((0, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)):
        apart[i, j] = apart[j, i] = True
    assert cliques(apart) == ((0, 1), (1, 3))
    assert cliques(np.zeros((3, 3), bool)) == ((0, 2),)
    assert cliques(~np.eye(3, dtype=bool)) == ()


def test_clear_differences_are_found_and_none_are_not() -> None:
    rng = np.random.default_rng(0)
    photo = rng.normal(0, 1, (60, 1))
    means = photo + np.array([0.0, 1.0, 1.02]) + rng.normal(0, 0.3, (60, 3))
    won = np.full((3, 3), 0.5)
    found = compare(("a", "b", "c"), means, won)
    assert found.friedman is not None
    assert found.friedman < 1e-6
    assert found.p[0, 1] < 1e-6
    assert found.p[1, 2] > 0.05
    assert found.cliques == ((1, 2),)


def test_photos_that_one_method_lacks_count_for_the_other_pairs() -> None:
    rng = np.random.default_rng(1)
    means = rng.normal(0, 1, (30, 3)) + np.array([0, 2, 2])
    means[:25, 2] = np.nan
    found = compare(("a", "b", "c"), means, np.full((3, 3), 0.5))
    assert found.p[0, 1] < 0.001
    assert found.p[0, 2] > found.p[0, 1]


@pytest.mark.parametrize("photos", [8, 30, 60])
def test_pairs_are_tested_as_each_would_be_alone(photos: int) -> None:
    """With ties, with differences of zero, with photos that a method lacks."""
    means = np.random.default_rng(photos).integers(0, 9, (photos, 6)) / 8
    means[0, 1], means[:, 3] = np.nan, means[:, 2]
    found = compare(tuple("abcdef"), means, np.full((6, 6), 0.5))
    differences = [means[:, i] - means[:, j] for i, j in combinations(range(6), 2)]
    known = [d[~np.isnan(d)] for d in differences]
    alone = holm([wilcoxon(d).pvalue if d.any() else 1 for d in known])
    assert found.p[np.triu_indices(6, 1)] == pytest.approx(alone, rel=1e-12)
    assert found.p[2, 3] == 1


@pytest.mark.parametrize("photos", [0, 1])
def test_from_one_photo_nothing_differs(photos: int) -> None:
    found = compare(("a", "b", "c"), np.ones((photos, 3)) * [1, 2, 3], np.full((3, 3), 0.5))
    assert found.friedman is None
    assert (found.p == 1).all()


@pytest.mark.parametrize(("photos", "told"), [(5, False), (6, False), (7, True), (8, True)])
def test_too_few_photos_for_so_many_pairs_are_said(photos: int, told: bool) -> None:
    """Of 3 pairs, 2 / 2^n is to lie below 0.05 / 3."""
    means = np.arange(photos)[:, None] * 0.01 + np.array([3.0, 2.0, 1.0])
    means += np.random.default_rng(0).uniform(0, 0.001, means.shape)
    found = compare(("a", "b", "c"), means, np.full((3, 3), 0.5))
    assert (found.p[0, 2] < 0.05) == told == (too_few(found) == "")
    assert told or "any two of 3 methods" in in_words(found)[-1]
