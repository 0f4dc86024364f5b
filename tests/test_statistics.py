"""Means over photos: the plain mean in the first row, intervals that hold the truth as often as they say."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.scoring.statistics import (
    MEASURES,
    Estimate,
    Summary,
    answer_r1,
    answer_r2,
    resamples,
    signed,
    summarise,
)

RANKED = ("good", "bad")


def connection(
    jaccard: dict[str, list[float]], ranks: dict[str, list[float]] | None = None
) -> duckdb.DuckDBPyConnection:
    """Tables as a store's connection has them: per explainer one value a photo, each photo with one case of one n."""
    found = duckdb.connect(":memory:")
    names = pd.DataFrame(
        [(name, i, name == "random") for i, name in enumerate(jaccard)], columns=["name", "position", "baseline"]
    )
    rows = []
    for name, values in jaccard.items():
        for photo, value in enumerate(values):
            rank = (ranks or {}).get(name, [1.5] * len(values))[photo]
            ranked = 0 if name == "random" else 1
            rows.append((f"{photo:04d}", name, 1, value, 1 - value, ranked, rank * ranked, rank * ranked))
    columns = ["photo_id", "explainer", "scores", "jaccard", "hamming", "ranked", "rank_jaccard", "rank_hamming"]
    sums = pd.DataFrame(rows, columns=columns)
    found.register("named", names)
    found.register("summed", sums)
    found.execute("create table explainers as from named; create table photo_sums as from summed")
    return found


def test_the_first_row_of_weights_gives_the_plain_mean() -> None:
    weights = resamples(7)
    assert np.array_equal(weights[0], np.ones(7))
    assert np.all(weights.sum(axis=1) == 7)
    assert 1_001 <= len(weights) <= 10_001
    values = np.arange(7.0)
    assert abs((weights[1:] @ values / 7).mean() - values.mean()) < 4 * values.std() / np.sqrt(7 * len(weights))


def test_weights_follow_from_their_seed() -> None:
    assert np.array_equal(resamples(9, seed=1), resamples(9, seed=1))
    assert not np.array_equal(resamples(9, seed=1), resamples(9, seed=2))


@pytest.mark.parametrize("units", [0, 1])
def test_less_than_two_photos_are_not_resampled(units: int) -> None:
    assert resamples(units).shape == (1, units)


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_means_are_plain_means_and_lie_within_their_intervals(one: list[float], other: list[float]) -> None:
    found = summarise(connection({"good": one, "random": other[: len(one)]}))
    estimate = found.explainers["good"]["mean_jaccard"]
    assert estimate.mean == pytest.approx(np.mean(one))
    assert estimate.low is not None
    assert estimate.high is not None
    assert min(one) - 1e-9 <= estimate.low <= estimate.high <= max(one) + 1e-9
    (difference,) = found.against_random
    assert difference.estimate.mean == pytest.approx(np.mean(one) - np.mean(other[: len(one)]))


def test_an_interval_holds_the_truth_about_95_times_in_100() -> None:
    """Clustered data: 40 photos, one to ten cases each, cases of a photo alike. Of 200 simulations, binomially 180 to
    199 may cover; treating cases as independent would cover about 60 %."""
    rng = np.random.default_rng(0)
    covered, naive = 0, 0
    weights = resamples(40)
    for _ in range(200):
        cases = rng.integers(1, 11, 40)
        level = rng.normal(0.3, 0.1, 40)
        values = [rng.normal(m, 0.03, n) for m, n in zip(level, cases, strict=True)]
        draws = (weights @ np.array([v.sum() for v in values])) / (weights @ cases)
        low, high = np.quantile(draws[1:], [0.025, 0.975])
        covered += bool(low <= 0.3 <= high)
        every = np.concatenate(values)
        naive += bool(abs(every.mean() - 0.3) < 1.96 * every.std() / np.sqrt(len(every)))
    assert 178 <= covered <= 199
    assert naive < 160


def test_the_interval_narrows_as_photos_are_added() -> None:
    rng = np.random.default_rng(0)

    def width(photos: int) -> float:
        estimate = summarise(connection({"good": rng.uniform(0, 1, photos).tolist()})).explainers["good"][
            "mean_jaccard"
        ]
        assert estimate.low is not None
        assert estimate.high is not None
        return estimate.high - estimate.low

    assert width(400) < 0.5 * width(25)


def test_one_photo_gives_no_interval() -> None:
    found = summarise(connection({"good": [0.4], "bad": [0.2], "random": [0.1]}))
    assert found.photos == 1
    assert found.explainers["good"]["mean_jaccard"] == Estimate(0.4, None, None)
    assert "no interval from one photo" in answer_r1(found)
    assert "none of 2 explainers are clearly better" in answer_r1(found)
    assert "none of 1 pairs" in answer_r2(found)


def test_no_photo_at_all_is_said() -> None:
    found = summarise(connection({"good": [], "random": []}))
    assert found.photos == 0
    assert found.explainers == {"good": {}, "random": {}}
    assert answer_r1(found).startswith("R1 cannot be answered")
    assert answer_r2(found).startswith("R2 cannot be answered")


def clear() -> Summary:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 30)
    jaccard = {"good": (0.5 + noise).tolist(), "bad": (0.1 + noise).tolist(), "random": (0.1 + noise[::-1]).tolist()}
    return summarise(connection(jaccard, {"good": [1.0] * 29 + [2.0], "bad": [2.0] * 29 + [1.0]}))


def test_the_questions_are_answered_by_intervals() -> None:
    found = clear()
    assert found.photos == 30
    assert [d.estimate.differs_from_zero for d in found.against_random] == [True, False]
    assert answer_r1(found).startswith("R1: 1 of 2 explainers are clearly better than random (mean Jaccard minus")
    assert "good +0.400 [+0.3" in answer_r1(found)
    assert answer_r2(found).startswith("R2: all 1 pairs of explainers clearly differ (difference of mean ranks")
    assert "good vs bad -0.933 [" in answer_r2(found)


def test_being_clearly_worse_than_random_is_not_better() -> None:
    rng = np.random.default_rng(0)
    found = summarise(connection({"bad": rng.uniform(0, 0.1, 20).tolist(), "random": rng.uniform(0.8, 1, 20).tolist()}))
    assert found.against_random[0].estimate.differs_from_zero
    assert answer_r1(found).startswith("R1: none of 1 explainers")


def test_a_baseline_has_scores_but_no_ranks() -> None:
    found = clear().explainers
    assert set(found["good"]) == set(MEASURES)
    assert set(found["random"]) == {"mean_jaccard", "mean_hamming"}


def test_pairs_compare_the_same_photos() -> None:
    """A difference that is constant over photos has no spread, however much the photos differ."""
    base = np.random.default_rng(0).uniform(0, 0.5, 12)
    found = summarise(connection({"good": (base + 0.2).tolist(), "random": base.tolist()}))
    (difference,) = found.against_random
    assert difference.estimate.low == pytest.approx(0.2)
    assert difference.estimate.high == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.12345, 0.1, 0.15), "+0.123 [+0.100, +0.150]"),
        (Estimate(-1.0, -1.2, -0.8), "-1.000 [-1.200, -0.800]"),
        (Estimate(0.5, None, None), "+0.500 [no interval from one photo]"),
    ],
)
def test_estimates_are_written_with_their_sign(estimate: Estimate, text: str) -> None:
    assert signed(estimate) == text
