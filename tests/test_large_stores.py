"""Large stores: tables of several files, and what is known of each case read as queries need it, to the same result."""

import re
from pathlib import Path
from typing import Any

import duckdb
import make_store as making
import pandas as pd
import pyarrow.parquet as pq
import pytest
from make_store import make_store

from compute.errors import InputError, Notice
from compute.reporting.report import report
from compute.store import opening
from compute.store.opening import BY_CASE, Store, open_store
from compute.store.schema import PUBLISHED, file_name
from compute.store.tables import writing
from dashboard.data import boards, matching, queries
from dashboard.data.boards import Board
from dashboard.data.images import Images
from dashboard.data.selection import Selection


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(make_store(tmp_path_factory.mktemp("single") / "store", cases=40, size=32))


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same store; every two photos begin another file of most tables."""
    monkeypatch.setattr(writing, "LARGEST_FILE", 1)
    monkeypatch.setattr(making, "TOGETHER", 2)
    return make_store(tmp_path / "store", cases=40, size=32)


@pytest.fixture
def large(several: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(opening, "LARGE", 0)
    with pytest.warns(Notice, match="a large store: .*show --verify"):
        return open_store(several)


def board(store: Store) -> Board:
    base = store.connect()
    return Board("store", store, base, Images(store))


def test_a_table_of_several_files_is_one_table(single: Store, several: Path) -> None:
    one, other = single, open_store(several)
    for table in (*BY_CASE, "attempts", "images"):
        files = other.manifest["tables"][table]["files"]
        assert len(files) > 1, table
        assert [file["name"] for file in files] == [file_name(table, i) for i in range(len(files))]
        for file in files:
            found = pq.read_table(several / file["name"])
            assert found.num_rows == file["rows"]
            assert file["least"] == min(found.column(0).to_pylist())
            assert file["greatest"] == max(found.column(0).to_pylist())
    for table in one.tables:
        names = PUBLISHED[table].names
        rows, others = (store.tables[table].to_pylist() for store in (one, other))
        assert sorted(map(repr, rows)) == sorted(map(repr, others)), (table, names)
    assert other.damaged() == []


QUESTIONS: dict[str, Any] = {
    "counts": queries.counts, "controls": queries.has_controls,
    "costs": queries.costs, "case_means": queries.case_means,
    "measures": queries.measures_of_all,
    "curves": lambda b: queries.curves(b, "jaccard"), "ranks": lambda b: queries.ranks(b, "hamming"),
    **{f"bands at {n}": lambda b, n=n: queries.bands(b, "jaccard", n, "linf") for n in ("best", "5")},
    "distribution": lambda b: queries.distribution(b, "hamming", "mean"),
    "wins": lambda b: queries.wins(b, "jaccard", "mean"),
    "groups": lambda b: queries.by_group(b, "jaccard", "best", "photo"),
    **{
        f"cases {i}": lambda b, s=selection: matching.everything(b.query, s)
        for i, selection in enumerate((
            Selection("lime"),
            Selection("saliency", "hamming", "7", low=0.01, minus="random"),
            Selection("lime", question="disagreement", min_r2=0.5),
            Selection("lime", max_spread=0.4, order="unsteady"),
            Selection("lime", n="3", rank=2.0, winner="lime", loser="saliency"),
        ))
    },
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_large_store_answers_as_a_small_one(single: Store, large: Store, question: str) -> None:
    found, expected = (_plain(QUESTIONS[question](board(store))) for store in (large, single))
    assert len(expected) if isinstance(expected, pd.DataFrame) else expected
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected)
    else:
        assert _rounded(found) == _rounded(expected)


def _rounded(found: Any) -> str:
    """With all numbers to ten digits: sums are added up in another order."""
    return re.sub(r"\d+\.\d+(e-\d+)?", lambda number: f"{float(number[0]):.10g}", repr(found))


KEYS = ("position", "case_id", "explainer", "winner", "loser", "n", "rank", "bar", "band", "key")


def _plain(found: Any) -> Any:
    """Rows in an order of their own, where they are a table."""
    if not isinstance(found, pd.DataFrame):
        return found
    keys = [name for name in KEYS if name in found.columns]
    return found.sort_values(keys, ignore_index=True)[sorted(found.columns)]


def test_a_large_store_is_reported_as_a_small_one(single: Store, large: Store) -> None:
    assert not set(BY_CASE) & set(large.tables)
    assert _rounded(report(large).as_json()) == _rounded(report(single).as_json())


def test_pictures_are_found_in_any_file(single: Store, several: Path) -> None:
    one, other = (board(store) for store in (single, open_store(several)))
    for case_id, photo_id in one.query("select case_id, photo_id from cases").itertuples(index=False):
        assert other.images(case_id, photo_id) == one.images(case_id, photo_id) != {}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("table", ["attempts", "explanations", "case_counts"])
def test_damage_to_a_second_file_is_seen_on_opening(several: Path, table: str) -> None:
    flip(several / f"{table}-00001.parquet")
    with pytest.raises(InputError, match=rf"{table}-00001\.parquet: damaged"):
        open_store(several)


@pytest.mark.parametrize("table", ["explanations", "case_methods", "images"])
def test_damage_to_a_second_file_of_a_large_store_is_seen_by_verifying(large: Store, table: str) -> None:
    assert large.damaged() == []
    flip(Path(str(large.path)) / f"{table}-00001.parquet")
    assert large.damaged() == [table]


@pytest.mark.parametrize(("table", "column"), [("case_counts", "n05"), ("case_lists", "mean_jaccard")])
def test_damage_to_what_is_read_later_is_no_figure(large: Store, table: str, column: str) -> None:
    path = Path(str(large.path)) / f"{table}.parquet"
    group = pq.read_metadata(path).row_group(0)
    chunks = [group.column(i) for i in range(group.num_columns)]
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema.startswith(f"{column}."))
    content = bytearray(path.read_bytes())
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(duckdb.Error, match="CRC"):
        queries.distribution(board(large), "jaccard", {"n05": "5"}.get(column, "mean"))


@pytest.mark.parametrize("file", ["case_lists-00001.parquet", "images-00001.parquet"])
def test_a_large_store_that_lacks_a_file_is_refused(several: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.setattr(opening, "LARGE", 0)
    (several / file).unlink()
    with pytest.raises(InputError, match=f"{file}: missing"):
        open_store(several)


def test_a_page_is_opened_again_when_a_second_file_has_changed(several: Path) -> None:
    before = boards._stamps(several)
    flip(several / "attempts-00001.parquet")
    assert boards._stamps(several) != before
