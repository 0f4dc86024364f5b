"""The selection: its way through the URL, and its SQL against plain pandas."""

import math
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_store import make_store

from compute.store.opening import open_store
from dashboard.data import matching
from dashboard.data.questions import ORDERS, QUESTIONS, questions
from dashboard.data.selection import MEASURES, SIZES, Selection, parse

EXPLAINERS = ("saliency", "guided_backprop", "lime", "random")
CHOICES = {"explainer": EXPLAINERS, "photo": ["made-00000", "made-00001"], "clean": ["daisy", "a, b & c=d"]}


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[matching.Ask]:
    connection = open_store(
        make_store(tmp_path_factory.mktemp("store"), cases=40, size=32, explainers=(*EXPLAINERS, "oracle@superpixels"))
    ).connect()

    def answer(sql: str, params: Any = ()) -> pd.DataFrame:
        with connection.cursor() as cursor:
            return cursor.execute(sql, params).df()

    yield answer
    connection.close()


def _reals(most: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(0, most, allow_nan=False).filter(lambda x: x == 0 or x > 1e-6)


selections = st.builds(
    Selection,
    explainer=st.sampled_from(EXPLAINERS),
    measure=st.sampled_from(MEASURES),
    n=st.sampled_from(SIZES),
    question=st.sampled_from(["", *QUESTIONS]),
    photo=st.sampled_from(["", *CHOICES["photo"]]),
    clean=st.sampled_from(["", *CHOICES["clean"]]),
    **dict.fromkeys(("low", "high", "min_share", "max_share", "min_conf", "max_conf"), _reals(1)),
    **dict.fromkeys(("min_linf", "max_linf", "rank", "below_rank"), _reals(256)),
    minus=st.sampled_from(["", *EXPLAINERS]),
    x=st.sampled_from(["", "region_share", "visibility"]),
    outline=st.sampled_from(["", "0.1,0.2;0.3,0.2;0.3,0.4", "1e-05,0;1,-0.5;2,3;1,1"]),
    among=st.sampled_from(["", "made-00000-r01", "a,b%2Cc"]),
    winner=st.sampled_from(["", *EXPLAINERS]),
    loser=st.sampled_from(["", *EXPLAINERS]),
    order=st.sampled_from(["", *ORDERS]),
).map(lambda selection: selection.but())


@given(selections)
def test_a_selection_survives_the_url(selection: Selection) -> None:
    assert parse(selection.to_params(), CHOICES) == (selection, [])


@given(st.dictionaries(st.sampled_from([f.name for f in fields(Selection)]), st.text(max_size=30)))
def test_any_text_in_the_url_is_taken_or_ignored(params: dict[str, str]) -> None:
    selection, ignored = parse(params, CHOICES)
    assert selection.explainer in EXPLAINERS
    assert set(ignored) <= set(params)
    assert parse(selection.to_params(), CHOICES) == (selection, [])


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "0x10", "1_000", "٣", "--1", "1;drop table cases", "9" * 400])
def test_a_number_that_is_none_is_ignored(value: str) -> None:
    assert parse({"low": value}, CHOICES) == (Selection("saliency"), ["low"])


def test_what_needs_something_else_falls_away() -> None:
    assert parse({"rank": "1"}, CHOICES)[1] == ["rank"]
    assert parse({"winner": "lime"}, CHOICES)[1] == ["winner"]
    assert Selection("lime", n="3", rank=1.0).but(n="best").rank is None


def _scores(ask: matching.Ask, measure: str, n: str) -> pd.DataFrame:
    """Case by explainer, computed from the counts by pandas."""
    rows = ask("select * from scores join cases using (case_id)", {})
    union = rows["pixels"] + rows["region_pixels"] - rows["hits"]
    rows["jaccard"] = rows["hits"] / union
    rows["hamming"] = 1 - (union - rows["hits"]) / rows["n_pixels"]
    if n.isdigit():
        rows = rows[rows["n"] == int(n)]
    how: Any = "mean" if n == "mean" else "max"
    return rows.pivot_table(index="case_id", columns="explainer", values=measure, aggfunc=how)


def _ids(ask: matching.Ask, selection: Selection) -> list[str]:
    found = matching.everything(ask, selection)["case_id"].tolist()
    assert matching.count(ask, selection) == len(found)
    return found


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("n", ["best", "mean", "7"])
def test_scores_order_and_ranges(ask: matching.Ask, measure: str, n: str) -> None:
    scores = _scores(ask, measure, n)["lime"].sort_values(ascending=False)
    selection = Selection("lime", measure, n)
    found = matching.everything(ask, selection).set_index("case_id")["score"]
    assert found.to_numpy() == pytest.approx(scores.to_numpy())
    assert found.to_dict() == pytest.approx(scores.to_dict())
    low, high = float(found.quantile(0.3)), float(found.iloc[2])
    inside = found[(found >= low) & (found < high)].index
    assert set(_ids(ask, selection.but(low=low, high=high))) == set(inside)
    assert set(_ids(ask, selection.but(winner="lime", loser="saliency"))) == set(
        _scores(ask, measure, n).query("lime > saliency").index
    )


def test_half_open_ranges_share_no_case_and_lose_none(ask: matching.Ask) -> None:
    ends = [None, 0.02, 0.05, 0.1, 0.2, None]
    for low, high in (("low", "high"), ("min_share", "max_share"), ("min_conf", "max_conf")):
        parts = [_ids(ask, Selection("lime").but(**{low: a, high: b})) for a, b in pairwise(ends)]
        together = [case_id for part in parts for case_id in part]
        assert sorted(together) == sorted(_ids(ask, Selection("lime")))


def test_ranks_are_those_of_the_views(ask: matching.Ask) -> None:
    ranks = ask("select case_id from ranks where explainer = 'lime' and n = 5 and rank_hamming = 1", {})
    assert set(_ids(ask, Selection("lime", "hamming", "5", rank=1.0))) == set(ranks["case_id"])


def test_photo_and_class(ask: matching.Ask) -> None:
    cases = ask("select case_id, clean_class from cases where photo_id = 'made-00001'", {})
    assert set(_ids(ask, Selection("lime", photo="made-00001"))) == set(cases["case_id"])
    same = ask("select case_id from cases where clean_class = $name", {"name": cases["clean_class"].iloc[0]})
    assert set(_ids(ask, Selection("lime", clean=cases["clean_class"].iloc[0]))) == set(same["case_id"])


@pytest.mark.parametrize("n", ["best", "mean", "12"])
def test_questions(ask: matching.Ask, n: str) -> None:
    scores = _scores(ask, "jaccard", n)
    ranked = scores[["saliency", "guided_backprop", "lime"]]
    gap = ranked[["saliency", "guided_backprop"]].max(axis=1) - ranked["lime"]
    two = ranked.apply(lambda row: row.nlargest(2).iloc[0] - row.nlargest(2).iloc[1], axis=1)
    behind = scores["random"] - scores["saliency"]
    expected = {
        "lime-misses": gap[gap > 0].sort_values(ascending=False),
        "everyone-misses": ranked.max(axis=1)[ranked.max(axis=1) < 0.25].sort_values(),
        "closest": two.sort_values(),
        "disagreement": (ranked.max(axis=1) - ranked.min(axis=1)).sort_values(ascending=False),
        "worse-than-random": behind[behind > 0].sort_values(ascending=False),
    }
    for name, values in expected.items():
        found = _ids(ask, Selection("saliency", n=n, question=name))
        assert set(found) == set(values.index), name
        assert values[found].to_numpy() == pytest.approx(values.to_numpy()), name


def test_questions_need_their_explainers() -> None:
    assert set(questions(["lime", "other"])) == {"everyone-misses", "closest", "disagreement"}
    assert set(questions(EXPLAINERS)) == set(QUESTIONS)


@pytest.mark.parametrize("order", ORDERS)
def test_neighbours_walk_the_order(ask: matching.Ask, order: str) -> None:
    selection = Selection("saliency", order=order, min_share=0.05)
    ids, found = _ids(ask, selection), matching.case_ids(ask, selection)
    for i in (0, 1, len(ids) - 1):
        around = (ids[i - 1] if i else None, ids[i + 1] if i + 1 < len(ids) else None)
        assert matching.neighbours(found, ids[i]) == (i + 1, *around)
    assert matching.neighbours(found, "'; drop table cases; --") is None
    paged = [
        c for first in range(0, len(ids), 7) for c in matching.page(ask, selection, size=7, first=first)["case_id"]
    ]
    assert paged == ids


def test_the_nearest_filter_moves_a_range_just_far_enough(ask: matching.Ask) -> None:
    top = matching.page(ask, Selection("lime"), size=1).iloc[0]
    [(group, wider, total)] = matching.nearest(ask, Selection("lime", low=0.999))
    assert group == ("low", "high") and total >= 1 and wider.low is not None
    assert wider.low <= top["score"] < wider.low + 0.001
    assert top["case_id"] in _ids(ask, wider)
    [(_, wider, total)] = matching.nearest(ask, Selection("lime", max_linf=1.0))
    assert total >= 1 and wider.max_linf is not None and wider.max_linf <= 210


def test_the_nearest_filter_lifts_what_has_no_near(ask: matching.Ask) -> None:
    other = ask(
        """select clean_class from cases
        where clean_class not in (select clean_class from cases where photo_id = 'made-00000')""",
        {},
    )["clean_class"].iloc[0]
    offers = matching.nearest(ask, Selection("lime", photo="made-00000", clean=other))
    assert [group for group, _, _ in offers] == [("photo",), ("clean",)]
    assert all(total == matching.count(ask, selection) > 0 for _, selection, total in offers)
    assert matching.nearest(ask, Selection("lime", photo="nowhere", low=0.999, clean="nothing")) == []


def test_a_case_that_was_not_explained_is_listed_last(ask: matching.Ask) -> None:
    found = matching.everything(ask, Selection("absent"))
    assert len(found) == matching.count(ask, Selection("lime"))
    assert all(math.isnan(score) for score in found["score"])


def _inside(x: pd.Series, y: pd.Series, corners: list[tuple[float, float]]) -> pd.Series:
    """Whether points lie within a polygon: the edges to their right, counted one by one."""
    odd = x.isna()
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 != y2:
            odd ^= ((y < y1) != (y < y2)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return odd


@pytest.mark.parametrize(("trait", "logarithmic"), [("region_share", True), ("visibility", False)])
def test_an_outline_holds_exactly_the_cases_within(ask: matching.Ask, trait: str, logarithmic: bool) -> None:
    selection = Selection("lime", minus="random")
    found = matching.everything(ask, selection)
    x, y = found[trait], found["score"]
    corners = [
        (float(x.quantile(a)), float(y.quantile(b))) for a, b in [(0.1, 0.1), (0.9, 0.2), (0.6, 0.5), (0.8, 0.95)]
    ]
    drawn = selection.outlined(trait, corners)
    to: Callable[[float], float] = math.log10 if logarithmic else float
    expected = found[_inside(x.map(to), y, [(to(a), b) for a, b in corners])]["case_id"]
    assert 0 < len(expected) < len(found) and set(_ids(ask, drawn)) == set(expected)
    assert parse(drawn.to_params(), CHOICES) == (drawn, [])


def test_the_score_above_another_method(ask: matching.Ask) -> None:
    scores = _scores(ask, "jaccard", "5")
    found = matching.everything(ask, Selection("lime", n="5", minus="random")).set_index("case_id")["score"]
    assert found.to_dict() == pytest.approx((scores["lime"] - scores["random"]).to_dict())
    assert parse({"low": "-0.2"}, CHOICES)[1] == ["low"]
    assert parse({"low": "-0.2", "minus": "random"}, CHOICES)[0].low == -0.2


def test_cases_by_name_and_by_what_lime_and_other_seeds_say(ask: matching.Ask) -> None:
    ids = _ids(ask, Selection("lime"))[3:5]
    assert set(_ids(ask, Selection("lime", among=",".join(ids)))) == set(ids)
    assert _ids(ask, Selection("lime", max_r2=0.6)) == []
    assert len(_ids(ask, Selection("lime", min_r2=0.6))) == len(_ids(ask, Selection("lime")))
    assert set(matching.everything(ask, Selection("lime"))["spread"]) == {0.0}
    assert matching.everything(ask, Selection("saliency"))["spread"].isna().all()


def test_failures_begin_with_the_lowest_score(ask: matching.Ask) -> None:
    high, low = (matching.everything(ask, Selection("lime", high=end))["score"] for end in (None, 0.7))
    assert high.is_monotonic_decreasing and low.is_monotonic_increasing and len(low) > 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_score_s_size_gives_the_score(ask: matching.Ask, measure: str) -> None:
    found = matching.everything(ask, Selection("lime", measure))
    sizes = matching.sizes(ask, Selection("lime", measure), found["case_id"].tolist(), found["best_method"].tolist())
    for n, case_id, method, top in list(zip(sizes, found["case_id"], found["best_method"], found["top"], strict=True))[
        :8
    ]:
        assert matching.by_method(ask, Selection("lime", measure, str(n)), [case_id]).loc[case_id, method] == top
    assert matching.sizes(ask, Selection("lime", n="4"), ["nothing"], [""]) == [4]
