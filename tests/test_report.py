"""The report: Table 1 in the paper's form, in numbers that follow from the store."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from make_store import make_store
from rich.console import Console

from compute.scoring.report import PAPER, as_table, report
from compute.scoring.statistics import MEASURES
from compute.store.opening import Store, open_store


def text(store: Store, width: int = 100) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as shown:
        console.print(as_table(report(store)))
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
    assert "are rough" not in shown  # that is for few photos


def test_few_photos_and_failures_are_warned_of(store: Store) -> None:
    shown = " ".join(text(store).split())
    assert "photos have cases: intervals from so few are rough" in shown
    assert "1 failures or skipped photos: see `wolfspider show`" in shown


def test_one_photo_has_means_without_intervals(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 1, target="cat")
    found = report(store).as_json()
    assert found["cases"] > 0
    estimate = found["explainers"]["lime"]["mean_jaccard"]
    assert estimate["mean"] > 0
    assert estimate["low"] is None
    assert estimate["high"] is None
    assert "no interval from one photo" in " ".join(text(store).split())


def test_no_case_at_all_is_said(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 1)  # already the target
    found = report(store).as_json()
    assert (found["photos"], found["attempts"], found["cases"], found["explanations"]) == (1, 0, 0, 0)
    assert found["explainers"] == {name: {} for name in found["explainers"]}
    shown = " ".join(text(store).split())
    assert "R1 cannot be answered" in shown
    assert "R2 cannot be answered" in shown
