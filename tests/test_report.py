"""The report: Table 1 in the paper's form, in numbers that follow from the store."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tiny
from make_store import make_store, rewrite
from rich.console import Console, RenderableType

from compute.reporting.report import PAPER, as_table, failed, paper_ranks, report
from compute.reporting.statistics import MEASURES, summarise
from compute.reporting.words import few_photos
from compute.store.opening import Store, open_store


def text(store: Store) -> str:
    return printed(as_table(report(store)))


def printed(table: RenderableType, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as shown:
        console.print(table)
    return shown.get()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A made store of many photos, in which LIME is good and random is not."""
    return open_store(make_store(tmp_path_factory.mktemp("report"), cases=150))


def test_counts_and_means_are_those_of_the_views(made: Store) -> None:
    found = report(made).as_json()
    with made.connect() as connection:
        means = connection.execute("from mean_ranks").fetchall()
        (counts,) = connection.execute(
            "select (select count(*) from photos), (select count(*) from attempts), (select count(*) from cases)"
        ).fetchall()
    assert (found["photos"], found["attempts"], found["cases"]) == counts
    assert found["explanations"] == 20 * found["cases"]  # as the paper's 608 cases make 12,160
    for name, rank_jaccard, rank_hamming, jaccard, hamming, _ in means:
        expected: dict[str, Any] = dict(zip(MEASURES, (rank_jaccard, rank_hamming, jaccard, hamming), strict=True))
        for measure, value in expected.items():
            if value is None:
                assert name == "random"
                assert measure not in found["explainers"][name]
            else:
                estimate = found["explainers"][name][measure]
                assert estimate["mean"] == pytest.approx(value)
                assert estimate["low"] < value < estimate["high"]


def test_ranks_of_all_ranked_explainers_add_up(made: Store) -> None:
    explainers = report(made).as_json()["explainers"]
    for measure in MEASURES[:2]:
        assert sum(found[measure]["mean"] for found in explainers.values() if measure in found) == pytest.approx(6)


def test_it_is_json(made: Store) -> None:
    found = report(made).as_json()
    assert json.loads(json.dumps(found, allow_nan=False)) == json.loads(json.dumps(found))
    assert {"photos", "attempts", "cases", "explanations", "explainers"} <= set(found)
    assert found["r1"]["answer"].startswith("R1: ")
    assert found["r2"]["answer"].startswith("R2: ")
    assert all(0 <= difference["p"] <= 1 for key in ("r1", "r2") for difference in found[key]["differences"])


def test_the_table_shows_the_paper_s_figures_beside_ours(made: Store) -> None:
    shown = text(made)
    found = report(made)
    for name, (jaccard, hamming) in PAPER.items():
        line = next(line for line in shown.splitlines() if line.strip().startswith(name))
        assert f"{jaccard:.2f}" in line
        assert f"{hamming:.2f}" in line
        assert f"{found.summary.explainers[name]['mean_rank_jaccard'].mean:.2f}" in line
    random = next(line for line in shown.splitlines() if line.strip().startswith("random"))
    assert "-" in random
    assert f"{found.photos} photos, {found.attempts} attempts, {found.cases} cases" in " ".join(shown.split())
    assert "R1: " in shown
    assert "R2: " in shown
    low, high = (getattr(found.summary.explainers["lime"]["mean_rank_jaccard"], end) for end in ("low", "high"))
    assert f"[{low:.2f}, {high:.2f}]" in shown


def test_few_photos_are_warned_of(made: Store, store: Store) -> None:
    assert few_photos(report(store).summary.photos) in " ".join(text(store).split())
    many = replace(report(made), summary=replace(report(made).summary, photos=30))
    assert "Only" in text(made)
    assert "Only" not in printed(as_table(many))


@pytest.mark.parametrize("width", [80, 40])
def test_no_figure_is_cut_off(made: Store, width: int) -> None:
    assert "…" not in printed(as_table(report(made)), width)


def test_what_failed_is_named_with_its_reason(store: Store) -> None:
    shown = " ".join(text(store).split())
    (failure,) = report(store).as_json()["failures"]
    assert f"{failure['photo']} was passed over: already classified as the target, wolf spider" in shown


def test_many_failures_are_named_then_counted() -> None:
    rows = [{"explainer": None, "photo": f"{i}.jpg", "reason": "not\nan  image"} for i in range(7)]
    rows += [{"explainer": "own", "photo": "a", "reason": "ValueError: no"}] * 2
    rows += [{"explainer": "lime", "photo": "a", "reason": "no"}]
    assert failed(rows) == [
        "own failed on 2 cases: ValueError: no",
        "lime failed on 1 case: no",
        *[f"{i}.jpg was passed over: not an image" for i in range(5)],
        "... and 2 more: see `wolfspider show`",
    ]


def test_texts_of_a_store_are_no_markup(made: Store) -> None:
    name, reason = "[bold]own[/]", "[/] :bug:"
    found = report(made)
    renamed = {name if n == "saliency" else n: e for n, e in found.summary.explainers.items()}
    failure = {"explainer": name, "photo": "a", "reason": reason}
    hostile = replace(found, summary=replace(found.summary, explainers=renamed), failures=[failure])
    shown = printed(as_table(hostile))
    assert any(line.startswith(name) for line in shown.splitlines())
    assert f"{name} failed on 1 case: {reason}" in shown


def test_the_paper_s_three_rank_among_themselves_whoever_else_takes_part(tmp_path: Path) -> None:
    three = ("saliency", "guided_backprop", "lime", "random")
    alone = report(open_store(make_store(tmp_path / "three", cases=20, size=32, explainers=three)))
    assert paper_ranks(alone.summary) == PAPER
    assert alone.summary.paper == {
        name: {m: e for m, e in alone.summary.explainers[name].items() if m.startswith("mean_rank")} for name in PAPER
    }
    more = make_store(tmp_path / "more", cases=20, size=32, explainers=(*three[:3], "own", "random"))
    found = report(open_store(more))
    assert paper_ranks(found.summary) == {}
    rewrite(more, "explanations", pd.read_parquet(more / "explanations.parquet").query("explainer != 'own'"))
    for table in ("controls", "repeats"):
        rewrite(more, table, pd.read_parquet(more / f"{table}.parquet").query("explainer != 'own'"))
    with open_store(more).connect() as connection:
        assert summarise(connection).paper == found.summary.paper
    shown = " ".join(printed(as_table(found)).split())
    assert "Table 1, the paper's three among themselves" in shown
    assert "All methods, best first" in shown
    assert all(f"{rank:.2f}" in shown for ranks in PAPER.values() for rank in ranks)


def test_many_methods_are_sorted_and_told_apart_in_few_words(tmp_path: Path) -> None:
    names = ("saliency", "saliency@smooth", "guided_backprop", "guided_backprop@superpixels", "lime", "grad_cam")
    store = tiny.published(tmp_path, 6, explainers=(*names, "texture", "random"))
    found = report(store)
    board = found.as_json()["board"]
    assert set(board) == {*names, "texture", "random"}
    ranks = [measures["mean_rank"]["mean"] for measures in board.values() if "mean_rank" in measures]
    assert ranks == sorted(ranks)
    assert len(ranks) == len(names)
    assert list(board)[len(names) :] in (["texture", "random"], ["random", "texture"])
    assert len(found.as_json()["pairs"]) == 15
    shown = " ".join(text(store).split())
    assert "Better than the best baseline without a network," in shown
    assert "ranks best" in shown
    assert "Friedman's test over 6 methods" in shown
    assert {d.second for d in found.summary.against_best} <= {"texture"}


def test_one_photo_has_means_without_intervals(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 1, target="cat")
    found = report(store).as_json()
    assert found["cases"] > 0
    estimate = found["explainers"]["lime"]["mean_jaccard"]
    assert estimate["mean"] > 0
    assert estimate["low"] is None
    assert estimate["high"] is None
    shown = " ".join(text(store).split())
    assert "tiny, target cat: 1 photo, 3 attempts, " in shown
    assert "R1 cannot be answered from 1 photo." in shown
    assert "R2 cannot be answered from 1 photo." in shown


def test_no_case_at_all_is_said(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 1)  # already the target
    found = report(store).as_json()
    assert (found["photos"], found["attempts"], found["cases"], found["explanations"]) == (1, 0, 0, 0)
    assert found["explainers"] == {name: {} for name in found["explainers"]}
    shown = " ".join(text(store).split())
    assert "R1 cannot be answered" in shown
    assert "R2 cannot be answered" in shown


def test_the_spread_over_seeds_is_told(made: Store) -> None:
    found = report(made)
    (spread,) = found.as_json()["seeds"].values()
    assert spread["seeds"] == 2 and spread["cases"] == found.cases
    assert spread["sd"] == spread["case_sd"] == 0  # its repeats are copies
    assert "Over 2 seeds the mean Jaccard index of lime" in text(made)
