"""The figures of the board, with three, nine and forty methods."""

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl

import numpy as np
import pandas as pd
import pytest
from make_store import make_store
from streamlit.testing.v1 import AppTest

from compute.scoring.presentations import everything
from dashboard import STORES_VARIABLE, early, labels, theme, urls
from dashboard.data import boards, matching, queries
from dashboard.data.selection import parse
from dashboard.figures import board as figures
from dashboard.figures import overview
from dashboard.figures.attacks import OUTCOMES
from dashboard.figures.explainers import rank_shares
from dashboard.labels import Crowd
from dashboard.widgets import methods
from dashboard.widgets.answers import of_the_paper

ALL = [name for name in everything() if name != "attention_rollout"]
THREE = ("saliency", "guided_backprop", "lime", "random")
NINE = (*THREE, "saliency@smooth", "guided_backprop@smooth", "lime@clean", "grad_cam", "rise")


@pytest.fixture(scope="module", params=[THREE, NINE, tuple(ALL[:40])], ids=["three", "nine", "forty"])
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    path = make_store(tmp_path_factory.mktemp("board") / "made", cases=40, size=32, explainers=request.param)
    return boards.open_board("made", path)


@pytest.mark.parametrize("measure", theme.BOARD)
def test_the_forest_has_every_method_best_first(board: boards.Board, measure: str) -> None:
    figure = figures.forest(board, measure)
    rows = sorted(dot for trace in figure.data for dot in zip(trace.y, trace.x, trace.customdata, strict=True))
    assert [place for place, *_ in rows] == list(range(len(board.ranked)))
    means = [mean for _, mean, _ in rows]
    assert means == sorted(means, reverse="rank" not in measure)
    assert {parse_qs(custom[0])["explainer"][0] for *_, custom in rows} == set(board.ranked)
    assert [custom[1] for *_, custom in rows] == list(figure.layout.yaxis.ticktext)


@pytest.mark.parametrize("measure", theme.BOARD)
def test_presentations_share_the_row_of_their_explainer(board: boards.Board, measure: str) -> None:
    figure = figures.forest(board, measure, grouped=True)
    dots = {
        parse_qs(custom[0])["explainer"][0]: (y, x)
        for trace in figure.data
        for y, x, custom in zip(trace.y, trace.x, trace.customdata, strict=True)
    }
    rows = figure.layout.yaxis.ticktext
    assert set(dots) == set(board.ranked) and len(set(rows)) == len(rows)
    assert {name: rows[round(y)] for name, (y, _) in dots.items()} == {
        name: overview.label(theme.explainer_of(name)) for name in dots
    }
    assert len({y for y, _ in dots.values()}) == len(dots)  # no two stand upon each other
    best = [
        (min if "rank" in measure else max)(x for y, x in dots.values() if round(y) == row) for row in range(len(rows))
    ]
    assert best == sorted(best, reverse="rank" not in measure)


@pytest.mark.parametrize("measure", theme.BOARD)
def test_cliques_join_what_no_test_tells_apart(board: boards.Board, measure: str) -> None:
    names = tuple(figures.in_order(queries.measures_of_all(board), board.ranked, measure))
    cliques = queries.cliques(board, measure, names)
    bars = [s for s in figures.forest(board, measure).layout.shapes if s.xsizemode == "pixel"]
    assert [(s.y0 + 0.3, s.y1 - 0.3) for s in bars] == [pytest.approx(ends) for ends in cliques]
    assert len({(s.x0, y) for s in bars for y in range(round(s.y0 + 0.3), round(s.y1 - 0.3) + 1)}) == sum(
        last - first + 1 for first, last in cliques
    )  # none lies upon another
    if measure == "mean_rank_jaccard":
        apart = {frozenset((d.first, d.second)) for d in queries.summary(board).between if d.clear}
        joined = {frozenset(pair) for a, b in cliques for pair in combinations(names[a : b + 1], 2)}
        assert not apart & joined
    if measure == "mean_jaccard":
        found = queries.comparison(board)
        assert found is not None and found.cliques == cliques


def test_a_baseline_s_place_among_the_ranks_is_that_of_a_plain_count(board: boards.Board) -> None:
    scores = board.query("select case_id, n, explainer, jaccard from measures").pivot(
        index=["case_id", "n"], columns="explainer", values="jaccard"
    )
    expected = {
        name: scores[[*board.ranked, name]].rank(axis=1, ascending=False)[name].mean()
        for name in scores
        if name not in board.ranked
    }
    assert queries.would_rank(board) == pytest.approx(expected)


@pytest.mark.parametrize("measure", theme.BOARD)
def test_floor_and_ceiling_are_the_best_of_those_outside_the_ranks(board: boards.Board, measure: str) -> None:
    floor, ceiling = figures.limits(board, measure)
    lines = [s.x0 for s in figures.forest(board, measure).layout.shapes if s.type == "line" and s.xsizemode != "pixel"]
    assert lines == [limit[1] for limit in (floor, ceiling) if limit]
    assert floor is None or floor[0] == "random"
    assert (ceiling is not None) == ("oracle@superpixels" in board.explainers)


def test_ranks_of_many_methods_are_in_classes_that_lead_to_their_cases(board: boards.Board) -> None:
    figure = rank_shares(board, "jaccard", tuple(board.explainers))
    choices = {"explainer": board.explainers, "photo": [], "clean": []}
    found = [(query, count) for trace in figure.data for query, count in trace.customdata]
    for query, count in found[:: max(1, len(found) // 25)]:
        selection, ignored = parse(dict(parse_qsl(query)), choices)
        assert not ignored and matching.count(board.query, selection) == count
        assert (selection.below_rank is None) == (len(board.ranked) <= 9)
    assert len({trace.marker.color for trace in figure.data[: len(figure.data) // len(board.ranked)]}) <= 17


def test_the_matrix_is_blank_where_nothing_is_clear(board: boards.Board) -> None:
    found = queries.comparison(board)
    assert found is not None
    (heat,) = figures.pairs(board).data
    z = np.array(heat.z, dtype=float)
    assert np.array_equal(np.isnan(z), found.p >= 0.05)
    assert np.nansum(z + z.T) == pytest.approx(0)


def test_specificity_and_cost_have_a_dot_a_method(board: boards.Board) -> None:
    (specific, *names), (costly,) = figures.specificity(board).data, figures.cost(board).data
    assert [trace.mode for trace in names] in ([], ["lines", "text"])
    assert len(specific.x) == len(specific.customdata) == len(specific.textposition) == len(board.ranked)
    assert len(costly.x) == len(costly.customdata) == len(board.explainers)


@pytest.mark.parametrize("seed", range(5))
def test_names_stand_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame, count = (400.0, 460.0), 30
    dots, radii, widths = rng.uniform(20, 380, (count, 2)), rng.uniform(4, 14, count), rng.uniform(20, 120, count)
    crowd = Crowd(dots, radii, frame)
    crowd.take((200, 440, 400, 460))
    spots = [crowd.place(dot, widths[dot], far=True) for dot in range(count)]
    boxes = [np.array([200, 440, 400, 460])]
    for dot, spot in enumerate(spots):
        if spot:
            half, middle = np.array([widths[dot], labels.HEIGHT]) / 2, dots[dot] + spot[:2]
            box = np.hstack([middle - half, middle + half])
            assert (box >= 0).all() and (box[2:] <= frame).all()
            near = np.clip(dots, box[:2], box[2:])
            assert (np.hypot(*(dots - near).T) >= radii - 1e-9).all()  # no dot is covered, its own neither
            assert all((box[:2] >= other[2:]).any() or (other[:2] >= box[2:]).any() for other in boxes)
            boxes.append(box)
    assert len(boxes) > count / 2 and any(spot and spot.side not in labels._SIDES for spot in spots)


def test_a_name_beside_its_dot_is_nowhere_near_another() -> None:
    crowd = Crowd(np.array([[50.0, 50.0], [75.0, 50.0]]), np.array([5.0, 5.0]), (200.0, 100.0))
    assert [crowd.place(dot, 40.0) for dot in (0, 1)] == [
        (-28.0, 0.0, "middle left", (-5.0, 0.0, -8.0, 0.0)),
        (28.0, 0.0, "middle right", (5.0, 0.0, 8.0, 0.0)),
    ]
    assert Crowd(np.array([[5.0, 5.0]]), np.array([4.0]), (10.0, 10.0)).place(0, 40.0, far=True) is None


def test_few_of_a_crowd_have_a_name() -> None:
    crowd = pd.Series(np.linspace(0.5, 0.501, 40), index=[f"method {i}" for i in range(40)])
    beside, led = figures.labelled(crowd, crowd, crowd * 20)
    assert 0 < len(beside) + len(led) < 25 and not set(beside) & set(led)
    assert figures.labelled(crowd[:0], crowd[:0], crowd[:0]) == ({}, {})


def test_the_paper_s_three_rank_among_themselves(board: boards.Board) -> None:
    three = of_the_paper(queries.summary(board))
    assert set(three.ranked) == set(THREE) - {"random"}
    assert sum(
        found["mean_rank_jaccard"].mean for found in three.explainers.values() if "mean_rank_jaccard" in found
    ) == (pytest.approx(6))
    assert len(three.between) == 3
    assert {d.first for d in three.against_random} == set(THREE) - {"random"}
    for draw in (figures.specificity, figures.cost):
        trace = draw(board, True).data[0]
        assert len(trace.x) == 3


def test_every_pair_is_told_with_its_difference(board: boards.Board) -> None:
    found, means = queries.pairwise(board), queries.measures_of_all(board)
    assert len(found) == len(board.ranked) * (len(board.ranked) - 1) / 2
    first, second = ([means[name]["mean_jaccard"].mean for name in found[side]] for side in ("first", "second"))
    assert found["difference"].to_numpy() == pytest.approx(np.subtract(first, second))
    assert (found["difference"] >= 0).all() and found["p"].between(0, 1).all()


@pytest.fixture
def visit(board: boards.Board, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Open a page of the board."""

    def visited(page: str, **query: str) -> AppTest:
        monkeypatch.setenv(STORES_VARIABLE, str(board.store.path))
        app = AppTest.from_file(str(Path(theme.__file__).parent / "app.py"), default_timeout=60)
        app.switch_page(f"views/{page}.py")
        app.query_params.update(query)
        app.run()
        assert not app.exception and not app.error
        return app

    return visited


@pytest.mark.parametrize("page", urls.PAGES)
def test_every_page_opens_and_says_what_its_figures_show(visit: Callable[..., AppTest], page: str) -> None:
    shown = [chart.proto.alt for chart in visit(page).get("plotly_chart")]
    assert all(re.match(r"[A-Z].{20}", words) and "\n" not in words for words in shown)
    assert len(shown) == len(set(shown))


def test_the_first_page_finds_its_figures_drawn(
    board: boards.Board, visit: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORES_VARIABLE, str(board.store.path))
    early._open_first()
    monkeypatch.setattr(figures, "finish", None)  # whatever is drawn ends there
    assert visit("overview").get("plotly_chart")


def test_the_matrix_is_drawn_where_the_address_unfolds_it(board: boards.Board, visit: Callable[..., AppTest]) -> None:
    folded, unfolded = (
        {c.proto.id for c in visit("overview", **q).get("plotly_chart")} for q in ({}, {"pairs": "open"})
    )
    assert len(unfolded - folded) == (len(board.ranked) > 3)


@pytest.mark.parametrize("page", ["overview", "explainers"])
@pytest.mark.parametrize(
    "query",
    [
        {"only": "paper"},
        {"only": "grouped"},
        {"board": "restored", "drawn": "lime,x"},
        {"only": "none", "board": "1; drop"},
    ],
)
def test_pages_open_by_any_link(
    board: boards.Board, visit: Callable[..., AppTest], page: str, query: dict[str, str]
) -> None:
    app = visit(page, **query)
    drawn = app.multiselect(key="drawn").value if len(board.explainers) > methods.MOST else None
    assert drawn is None or (drawn == ["lime"] if "drawn" in query else len(drawn) == methods.FIRST + 1)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_colours_can_be_seen_on_light_and_dark() -> None:
    """WCAG 2: graphics need a contrast of 3 to 1."""
    for colour in {*theme.colours(ALL).values(), *(colour for _, colour in OUTCOMES.values()), theme.NEUTRAL}:
        for background in ("#FFFFFF", "#131217"):
            low, high = sorted((luminance(colour), luminance(background)))
            assert (high + 0.05) / (low + 0.05) >= 3


def test_colours_are_an_explainer_s_own() -> None:
    found = theme.colours(ALL)
    assert found["lime"] != found["guided_backprop"] == found["guided_backprop@smooth"]
    few = theme.colours(NINE)
    assert len(set(few.values())) == len({theme.explainer_of(name) for name in NINE})


def test_no_two_methods_have_the_same_line() -> None:
    found, dash = theme.colours(ALL), theme.dashes(ALL)
    lines = [(found[name], dash[name], theme.SYMBOLS[theme.presentation_of(name)]) for name in ALL]
    assert len(set(lines)) == len(ALL) > 40
    assert dash["lime"] == "solid"
