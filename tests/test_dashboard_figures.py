"""Every mark of a figure leads to exactly the cases that it stands for; aggregates agree with plain means."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from make_store import make_store

from compute.explainers import EXPLAINERS
from compute.scoring.presentations import PRESENTATIONS
from dashboard import theme
from dashboard.data import attempts, boards, matching, pairs, queries
from dashboard.data.intervals import clustered_means
from dashboard.data.selection import parse
from dashboard.figures import attacks as figures_attacks
from dashboard.figures import compare as figures_compare
from dashboard.figures import explainers as figures_explainers
from dashboard.figures import overview as figures
from dashboard.figures.clicks import still
from dashboard.widgets import answers, tables

NAMES = ("saliency", "guided_backprop", "lime", "random")
FIGURES = [
    (figures.likeness_curves, (False, NAMES)),
    (figures.likeness_curves, (True, NAMES)),
    *(
        (figures_explainers.distributions, (m, n, minus, NAMES))
        for m, n, minus in (("jaccard", "best", ""), ("hamming", "mean", "random"), ("jaccard", "5", "saliency"))
    ),
    *((figures_explainers.win_matrix, (m, n, NAMES)) for m, n in (("jaccard", "best"), ("hamming", "3"))),
    *(
        (figures_explainers.band_curves, (m, n, minus, NAMES))
        for m, n, minus in (("jaccard", "mean", "random"), ("hamming", "12", ""))
    ),
    *((figures_explainers.rank_shares, (m, NAMES)) for m in ("jaccard", "hamming")),
    *(
        (figures_explainers.group_dots, (by, "easiest", "jaccard", "best", minus, NAMES))
        for by, minus in (("photo", ""), ("clean", "random"))
    ),
    (figures_attacks.by_size, ()),
]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    path = make_store(tmp_path_factory.mktemp("stores") / "made", cases=90, size=32)
    return boards.open_board("made", path)


def marks(figure: go.Figure) -> Iterator[tuple[str, list[Any]]]:
    for trace in figure.data:
        for data in trace.customdata if trace.customdata is not None else ():
            if data[0]:
                yield data[0], list(data[1:])


@pytest.mark.parametrize(("draw", "arguments"), FIGURES)
def test_marks_lead_to_their_cases(board: boards.Board, draw: Any, arguments: tuple[Any, ...]) -> None:
    choices = {
        "explainer": board.explainers,
        "photo": board.query("select photo_id from photos")["photo_id"].tolist(),
        "clean": board.query("select clean_class from photos")["clean_class"].tolist(),
    }
    found = list(marks(draw(board, *arguments)))
    assert found
    heights = {id(t): list(t.y) for t in draw(board, *arguments).data if t.type == "bar"}
    for query, rest in found[:: max(1, len(found) // 25)]:
        selection, ignored = parse(dict(parse_qsl(query)), choices)
        assert not ignored
        count = matching.count(board.query, selection)
        if draw is figures_explainers.distributions:
            assert count in {int(y) for ys in heights.values() for y in ys}
        elif draw is figures_explainers.win_matrix:
            assert count == rest[0]
        elif draw is figures.likeness_curves:
            assert count == rest[-1]
        elif draw is figures_explainers.band_curves:
            assert count == rest[1]
        else:
            assert count == rest[0]


@pytest.mark.parametrize(("draw", "arguments"), FIGURES)
def test_figures_stay_as_they_are_drawn(board: boards.Board, draw: Any, arguments: tuple[Any, ...]) -> None:
    """But for their axes; and what Streamlit sends at every run is no longer worked out."""
    kept, drawn = still(board, draw, *arguments), draw(board, *arguments)
    assert kept.to_dict() is kept.to_dict()
    drawn.update_xaxes(fixedrange=True).update_yaxes(fixedrange=True)
    assert pio.to_json(kept.to_dict(), validate=False) == pio.to_json(drawn, validate=False)


@pytest.mark.parametrize("minus", ["", "random"])
def test_distribution_counts_every_case_once(board: boards.Board, minus: str) -> None:
    cases = queries.counts(board)["cases"]
    for measure in theme.MEASURES:
        found = queries.distribution(board, measure, "mean", minus)
        assert set(found["explainer"]) == set(NAMES) - {minus}
        assert (found.groupby("explainer")["cases"].sum() == cases).all()


def test_aggregates_agree_with_the_summary(board: boards.Board) -> None:
    summary = queries.summary(board)
    for measure in theme.MEASURES:
        curves = queries.curves(board, measure)
        assert (curves["low"] <= curves["mean"]).all() and (curves["mean"] <= curves["high"]).all()
        for name in board.explainers:
            mean = curves.loc[curves["explainer"] == name, "mean"].mean()
            assert mean == pytest.approx(summary.explainers[name][f"mean_{measure}"].mean)


def test_ranks_of_a_size_add_up(board: boards.Board) -> None:
    found = queries.ranks(board, "jaccard")
    assert found.groupby(["explainer", "n"])["share"].sum().to_numpy() == pytest.approx(1)
    mean = (found["rank"] * found["share"]).groupby([found["n"], found["explainer"]]).sum()
    assert mean.groupby("n").sum().to_numpy() == pytest.approx(1 + 2 + 3)


def test_wins_and_ties_cover_all_cases(board: boards.Board) -> None:
    rows = figures.records(queries.wins(board, "jaccard", "mean"), "winner", "loser", "wins", "ties", "cases")
    wins = {(winner, loser): count for winner, loser, count, _, _ in rows}
    assert all(wins[a, b] + wins[b, a] + ties == cases for a, b, _, ties, cases in rows)


def test_measures_are_chosen_by_lookup(board: boards.Board) -> None:
    for hostile in ("jaccard; drop table cases", "case_id"):
        with pytest.raises(KeyError):
            queries.curves(board, hostile)
    with pytest.raises(ValueError, match="drop"):
        queries.scores(board, "jaccard", "1; drop table cases")
    with pytest.raises(ValueError, match="success"):
        attempts.spread(board, "success")


def test_clustered_means_are_means_and_need_three_photos() -> None:
    rows = pd.DataFrame(
        {"photo_id": ["a", "a", "b", "c"], "x": [1, 2, 1, 1], "total": [0.1, 1, 0.5, 0.6], "cases": [1, 2, 2, 1]}
    )
    found = clustered_means(rows, ["x"]).set_index("x")
    assert found["mean"].tolist() == pytest.approx([0.3, 0.5]) and found["cases"].tolist() == [4, 2]
    (low, none), (high, _) = found["low"], found["high"]
    assert 0 <= low < 0.3 < high <= 1 and np.isnan(none)
    assert clustered_means(rows.iloc[:0], ["x"]).empty


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.1, 0.1], list(np.linspace(0, 1, 50)), [3.0, 200.0, 77.0]])
def test_band_edges_hold_every_value(values: list[float]) -> None:
    edges = queries.band_edges(values)
    placed = queries.place(pd.Series(values, dtype=float), edges)
    assert (np.diff(edges) > 0).all() and len(edges) <= queries.BANDS
    assert all(0 <= p < len(edges) and edges[p] <= v for p, v in zip(placed, values, strict=True))


def test_a_store_beside_itself_does_not_differ(board: boards.Board) -> None:
    found = pairs.differences(board, board)
    assert (found["mean"] == 0).all() and (found["p"] == 1).all() and set(found["column"]) == set(pairs.COLUMNS)
    changes = pairs.changes(board, board, "jaccard", "best")
    assert changes.groupby("explainer")["size"].sum().eq(queries.counts(board)["cases"]).all()


def test_stores_join_on_their_common_cases(board: boards.Board, tmp_path: Any) -> None:
    explainers = ("saliency", "occlusion", "random")
    other = boards.open_board("other", make_store(tmp_path / "other", cases=30, size=32, seed=3, explainers=explainers))
    found = pairs.differences(board, other)
    assert set(found["explainer"]) == {"saliency", "random"} and not found["column"].str.startswith("mean_rank").any()
    common = board.query("select case_id from cases").merge(other.query("select case_id from cases"))
    assert found["cases"].eq(len(common)).all()
    best = found[found["column"] == "mean_jaccard"]["first"]
    assert len(best) == 2 and best.is_monotonic_decreasing
    bars = figures_compare.change_bars(board, other, "jaccard", "mean", ("saliency", "random")).data
    assert [sum(bar.y) for bar in bars] == [len(common)] * 2
    assert [bar.marker.color for bar in bars] == [theme.colours(board.explainers)[n] for n in ("saliency", "random")]


def test_colours_are_the_same_everywhere_and_differ_within_a_store() -> None:
    names = ["saliency", "lime", "random", "own", "occlusion", "smoothgrad"]
    some = theme.colours(names)
    assert len(set(some.values())) == len(names)
    assert theme.colours(["lime"])["lime"] == some["lime"]


def test_answers_state_their_figures(board: boards.Board) -> None:
    summary = queries.summary(board)
    verdict, support = answers.answer_r1(summary)
    assert verdict.startswith("Yes") and support.count("[") == 3
    verdict, support = answers.answer_r2(summary)
    assert "LIME" in verdict and support.count("[") == 3


def test_from_one_photo_nothing_is_answered_and_no_interval_drawn(tmp_path: Path) -> None:
    board = boards.open_board("one", make_store(tmp_path / "one", cases=1, size=32))
    summary = queries.summary(board)
    for answer in (answers.answer_r1, answers.answer_r2):
        verdict, support = answer(summary)
        assert verdict == "Cannot be answered here, from 1 photo" and "[" not in support
    assert "<small>[" not in tables.mean_ranks(summary, board.explainers)


def test_the_paper_is_beside_its_own_explainers_alone(board: boards.Board, tmp_path: Any) -> None:
    path = make_store(tmp_path / "more", cases=20, size=32, explainers=("saliency", "lime", "random"))
    other = boards.open_board("more", path)
    for each, known in ((board, True), (other, False)):
        assert ("Paper" in tables.mean_ranks(queries.summary(each), each.explainers)) == known
        assert any("Paper" in str(trace.name) for trace in figures.rank_plot(each, False).data) == known


def test_tables_escape_what_they_show(board: boards.Board) -> None:
    html = tables.mean_ranks(queries.summary(board), board.explainers)
    assert "2.58" in html and html.count("<tr>") == 1 + len(board.explainers)
    assert "<script>" not in tables.swatch("<script>", ["<script>"])


def test_by_rank_covers_all_attempts(board: boards.Board) -> None:
    bars = figures_attacks.by_rank(board).select_traces({"type": "bar"})
    total = sum(math.fsum(bar.y) for bar in bars)
    assert total == pytest.approx(100 * board.query("select count(distinct region_rank) as k from attempts")["k"][0])
    found = attempts.totals(board)
    assert found["success"] + found["stalled"] + found["exhausted"] == found["attempts"]
    for column in figures_attacks.SPREADS:
        assert attempts.spread(board, column)["attempts"].sum() == found["attempts"]


@pytest.mark.parametrize("draw", [figures_attacks.by_rank, figures_attacks.by_size])
def test_bars_of_shares_say_of_how_many(board: boards.Board, draw: Any) -> None:
    figure = draw(board)
    (above,) = figure.select_traces({"type": "scatter"})
    told = {x: int(text.replace(",", "")) for x, text in zip(above.x, above.text, strict=True)}
    counted = dict.fromkeys(told, 0)
    for bar in figure.select_traces({"type": "bar"}):
        for x, (_, attempts_, _) in zip(bar.x, bar.customdata, strict=True):
            counted[x] += attempts_
    assert told == counted and sum(told.values()) == attempts.totals(board)["attempts"]


def test_axes_of_few_counts_have_whole_numbers(tmp_path: Path) -> None:
    few = boards.open_board("made", make_store(tmp_path / "made", cases=1, size=32))
    figure = figures_attacks.spreads(few)
    assert {axis.dtick for axis in figure.select_yaxes()} == {1}
    assert figures.whole(5) == {}  # Plotly's own are whole there


def test_no_two_methods_are_called_alike() -> None:
    methods = {*EXPLAINERS, *(f"{name}@{form}" for name in EXPLAINERS for form in PRESENTATIONS)}
    assert len({theme.explainer_name(name) for name in methods}) == len(methods)
