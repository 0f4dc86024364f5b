"""Intervals that hold the truth as often as they say; differences on shared cases; the two answers in words."""

import duckdb
import numpy as np
import pandas as pd
import pytest
import views
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from simulate_coverage import POPULATIONS, coverage, false_alarms

from compute.reporting.intervals import clustered_means, clustered_shares, holm
from compute.reporting.statistics import MEASURES, Estimate, Summary, summarise
from compute.reporting.words import answer_r1, answer_r2, bracketed, counted, few_photos, signed, sure

HITS = {"good": 8, "bad": 2, "random": 1}
"""Of a region and an explanation of ten pixels each: Jaccard indices 2/3, 1/9 and 1/19."""


def connection(scores: pd.DataFrame, explainers: tuple[str, ...] = tuple(HITS)) -> duckdb.DuckDBPyConnection:
    """A store's views over rows of photo_id, case_id, explainer, hits; `random` is the baseline."""
    counts = scores[["photo_id", "case_id", "explainer", "hits"]].itertuples(index=False)
    return views.over(((p, c, e, 10, int(hits)) for p, c, e, hits in counts), [(e, e == "random") for e in explainers])


def scores(photos: int, cases: int = 1, explainers: tuple[str, ...] = tuple(HITS), noise: int = 0) -> pd.DataFrame:
    """Rows in which `good` is better than `bad`, and `bad` than `random`; `noise` of hits differs between cases."""
    rng = np.random.default_rng(0)
    rows = [
        (f"{photo:04d}", f"{photo:04d}-{case}", name, HITS[name] + rng.integers(0, noise + 1))
        for photo in range(photos)
        for case in range(cases)
        for name in explainers
    ]
    return pd.DataFrame(rows, columns=["photo_id", "case_id", "explainer", "hits"])


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("photos", [6, 10, 20])
def test_95_of_100_intervals_hold_the_truth(name: str, photos: int) -> None:
    """Of 400, binomially 363 to 393 where 95 % is true; percentile intervals hold 70 to 92 % of these.

    Those of shares, made from Clopper and Pearson's, may hold more.
    """
    population = POPULATIONS[name]
    held, missing, _ = coverage(population, photos, 400)
    assert 0.905 <= held <= (0.99 if population.bounds else 1)
    assert missing < 0.12


def test_of_equally_good_explainers_few_are_called_different() -> None:
    """Three pairs at 5 % each would be called different in 12 of 100 simulations."""
    assert false_alarms(10, 600) < 0.08


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=8))
def test_means_are_plain_means_within_intervals_within_bounds(photos: list[tuple[float, int]]) -> None:
    values, cases = (np.array(column, dtype=float)[:, None] for column in zip(*photos, strict=True))
    found = clustered_means(values * cases, cases, bounds=(0, 1))
    assert found.mean[0] == pytest.approx(np.average(values[:, 0], weights=cases[:, 0]))
    assert found.photos[0] == len(photos)
    if len(photos) < 3 or np.ptp(values) == 0:
        assert np.isnan([found.low[0], found.high[0]]).all()
    elif np.ptp(values) > 1e-6:
        assert 0 <= found.low[0] <= found.mean[0] <= found.high[0] <= 1


def test_groups_have_the_intervals_that_they_have_alone() -> None:
    """A group's photos are its own: those without a case in it change nothing."""
    rng = np.random.default_rng(0)
    totals, cases = rng.uniform(0, 1, (12, 4)), np.ones((12, 4))
    cases[5:, 1] = cases[:3, 2] = cases[1:, 3] = 0
    totals *= cases
    together = clustered_means(totals, cases)
    assert together.photos.tolist() == [12, 5, 9, 1]
    for group in range(4):
        own = cases[:, group] > 0
        alone = clustered_means(totals[own, group : group + 1], cases[own, group : group + 1])
        for one, other in zip(together[:4], alone[:4], strict=True):
            assert one[group] == pytest.approx(other[0], nan_ok=True)


def test_many_photos_have_student_s_interval_which_the_draws_near() -> None:
    values = np.random.default_rng(0).beta(1, 4, (1_001, 1))
    drawn, student = (clustered_means(values[:n], np.ones((n, 1))) for n in (1_000, 1_001))
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(1_001)
    assert [student.low[0], student.high[0]] == pytest.approx([mean - 1.9623 * error, mean + 1.9623 * error], rel=1e-4)
    assert [drawn.low[0], drawn.high[0]] == pytest.approx([student.low[0], student.high[0]], abs=0.2 * error)


def test_intervals_follow_from_their_seed() -> None:
    totals, cases = np.random.default_rng(0).uniform(0, 1, (8, 1)), np.ones((8, 1))
    assert clustered_means(totals, cases, seed=1).low == clustered_means(totals, cases, seed=1).low
    assert clustered_means(totals, cases, seed=1).low != clustered_means(totals, cases, seed=2).low


@settings(max_examples=30)
@given(st.lists(st.floats(-1, 1).map(lambda v: round(v, 3)), min_size=3, max_size=9))
def test_p_is_small_exactly_where_the_interval_excludes_zero(values: list[float]) -> None:
    if np.ptp(values) > 0:
        found = clustered_means(np.array(values)[:, None], np.ones((len(values), 1)))
        assert (found.p[0] < 0.05) == bool(found.low[0] > 0 or found.high[0] < 0)


@pytest.mark.parametrize(("value", "photos", "p"), [(0.2, 12, 2**-11), (-1.0, 3, 0.25), (0.0, 12, 1.0)])
def test_photos_that_all_agree_give_no_interval_but_a_sign_test(value: float, photos: int, p: float) -> None:
    found = clustered_means(np.full((photos, 1), value), np.ones((photos, 1)))
    assert np.isnan(found.low[0])
    assert found.p[0] == pytest.approx(p)


def test_a_share_of_independent_cases_has_the_interval_of_a_binomial() -> None:
    hits = np.zeros((1_000, 1))
    hits[:30] = 1
    found, exact = clustered_shares(hits, np.ones((1_000, 1))), binomtest(30, 1_000).proportion_ci()
    assert (found.mean[0], found.low[0], found.high[0]) == pytest.approx((0.03, exact.low, exact.high), abs=1e-4)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=9))
def test_shares_have_intervals_within_0_and_1_unless_there_are_too_few_photos(photos: list[tuple[int, int]]) -> None:
    hits, cases = (np.array(column, dtype=float)[:, None] for column in zip(*photos, strict=True))
    hits = np.minimum(hits, cases)
    found = clustered_shares(hits, cases)
    share, low, high = found.mean[0], found.low[0], found.high[0]
    assert share == hits.sum() / cases.sum()
    assert np.isnan([low, high]).all() if len(photos) < 3 else 0 <= low <= share <= high <= 1
    other = clustered_shares(cases - hits, cases)
    assert (1 - other.high[0], 1 - other.low[0]) == pytest.approx((low, high), nan_ok=True)


@pytest.mark.parametrize("photos", [3, 8, 40])
def test_photos_that_all_agree_count_as_one_case_each(photos: int) -> None:
    found = clustered_shares(np.zeros((photos, 1)), np.full((photos, 1), 3.0))
    assert (found.mean[0], found.low[0]) == (0, 0)
    assert binomtest(0, photos).proportion_ci().high <= found.high[0] < 1  # a little wider: few photos


def test_alike_cases_of_a_photo_say_less_than_independent_ones() -> None:
    hits = np.tile([0.0, 4.0, 0.0, 0.0], 5)[:, None]
    alike = clustered_shares(hits, np.full((20, 1), 4.0))
    apart = clustered_shares(np.full((20, 1), 1.0), np.full((20, 1), 4.0))
    assert alike.mean[0] == apart.mean[0] == 0.25
    assert alike.high[0] - alike.low[0] > apart.high[0] - apart.low[0]


def test_holm_is_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert holm([0.02, np.nan, 0.03]) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert holm([]).size == 0


def test_r1_compares_the_cases_that_both_have_explained() -> None:
    """On all odd cases `good` hits nothing and fails on some: its own mean rises, what it is above random does not."""
    rows = scores(12, 4, noise=1)
    odd = rows["case_id"].str[-1].isin(["1", "3"])
    rows.loc[odd & (rows["explainer"] == "good"), "hits"] = 0
    failing = rows.drop(rows[(rows["case_id"].str[-1] == "1") & (rows["explainer"] == "good")].index)
    shared = failing[failing["case_id"].str[-1] != "1"]
    found, expected = (summarise(connection(each)).against_random[0] for each in (failing, shared))
    assert found == expected
    means = shared.assign(j=shared["hits"] / (20 - shared["hits"])).groupby("explainer")["j"].mean()
    assert found.estimate.mean == pytest.approx(means["good"] - means["random"])
    own = summarise(connection(failing)).explainers
    assert found.estimate.mean != pytest.approx(own["good"]["mean_jaccard"].mean - own["random"]["mean_jaccard"].mean)


def test_a_baseline_has_scores_but_no_ranks() -> None:
    found = summarise(connection(scores(6, noise=1)))
    assert set(found.explainers["good"]) == set(MEASURES)
    assert set(found.explainers["random"]) == {"mean_jaccard", "mean_hamming"}
    assert found.ranked == ["good", "bad"]


def summary(photos: int, cases: int = 2, explainers: tuple[str, ...] = tuple(HITS)) -> Summary:
    return summarise(connection(scores(photos, cases, explainers, noise=1), explainers))


def test_the_questions_are_answered_by_adjusted_p_values() -> None:
    found = summary(30)
    assert [d.clear for d in found.against_random] == [True, True]
    assert answer_r1(found).startswith(
        "R1: clearly better than random: 2 of 2 explainers (mean Jaccard minus random's: "
    )
    assert "good +0.6" in answer_r1(found)
    assert "] p < 0.001; bad +0." in answer_r1(found)
    assert answer_r2(found).startswith("R2: clearly different: 1 of 1 pair (difference of mean ranks by Jaccard")
    assert "good vs bad -1.000 (no interval: all 30 photos agree) p < 0.001" in answer_r2(found)


def test_holm_decides_what_is_clear() -> None:
    """Of two differences, one that alone would be clear (p = 0.03) is not beside one that says nothing."""
    rng = np.random.default_rng(0)
    rows = scores(8, 1, ("good", "bad", "random"))
    rows.loc[rows["explainer"] == "good", "hits"] = 1 + np.array([1, 2, 1, 0, 1, 0, 0, 1])
    rows.loc[rows["explainer"] == "bad", "hits"] = 1 + rng.permutation([0, 1, 0, 1, 0, -1, -1, 0])
    good = summarise(connection(rows)).against_random[0]
    assert good.estimate.low is not None
    assert good.estimate.low > 0  # the interval excludes zero ...
    assert good.p is not None
    assert good.p == pytest.approx(2 * _alone(rows))


def _alone(rows: pd.DataFrame) -> float:
    found = summarise(connection(rows[rows["explainer"] != "bad"], ("good", "random"))).against_random[0]
    assert found.p is not None
    assert found.p < 0.05
    return found.p


def test_being_clearly_worse_than_random_is_not_better() -> None:
    rows = scores(20, noise=1).replace({"explainer": {"good": "random", "random": "good"}})
    found = summarise(connection(rows, ("good", "random")))
    assert found.against_random[0].clear
    assert answer_r1(found).startswith("R1: clearly better than random: none of 1 explainer ")


@pytest.mark.parametrize(("photos", "words"), [(1, "1 photo"), (2, "2 photos")])
def test_too_few_photos_answer_nothing(photos: int, words: str) -> None:
    found = summary(photos)
    estimate = found.explainers["good"]["mean_jaccard"]
    assert (estimate.low, estimate.high, estimate.photos) == (None, None, photos)
    assert answer_r1(found) == f"R1 cannot be answered from {words}."
    assert answer_r2(found) == f"R2 cannot be answered from {words}."


def test_no_photo_at_all_is_said() -> None:
    found = summary(0)
    assert found.photos == 0
    assert found.explainers == {name: {} for name in HITS}
    assert answer_r1(found).startswith("R1 cannot be answered: no random baseline")
    assert answer_r2(found).startswith("R2 cannot be answered: fewer than two")


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.12345, 0.1, 0.15, 9), "+0.123 [+0.100, +0.150]"),
        (Estimate(-1.0, -1.2, -0.8, 9), "-1.000 [-1.200, -0.800]"),
        (Estimate(-0.0001, -0.0002, 0.1, 9), "+0.000 [+0.000, +0.100]"),
        (Estimate(0.5, None, None, 1), "+0.500 (no interval: 1 photo)"),
        (Estimate(0.5, None, None, 9), "+0.500 (no interval: all 9 photos agree)"),
    ],
)
def test_estimates_are_written_with_their_sign(estimate: Estimate, text: str) -> None:
    assert signed(estimate) == text


def test_figures_have_one_form() -> None:
    assert bracketed(2.161, 2.768) == "[2.16, 2.77]"
    assert bracketed(-0.001, 0.001) == "[0.00, 0.00]"
    assert bracketed(None, None) == bracketed(np.nan, 1.0) == ""
    assert [sure(p) for p in (None, 0.0004, 0.0311)] == ["", "p < 0.001", "p = 0.031"]
    assert [counted(n, "photo") for n in (0, 1, 1120)] == ["0 photos", "1 photo", "1,120 photos"]


@pytest.mark.parametrize(
    ("photos", "start"),
    [(1, "Only 1 photo has cases; intervals need 3."), (29, "Only 29 photos have cases. Intervals"), (30, "")],
)
def test_few_photos_are_warned_of(photos: int, start: str) -> None:
    assert few_photos(photos).startswith(start)
    assert bool(few_photos(photos)) == bool(start)
