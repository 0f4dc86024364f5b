"""An opened store: checked against its manifest and schema, read-only, its views the paper's definitions."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny

from compute.errors import InputError
from compute.store.opening import MANIFEST, Store, open_store
from compute.store.png import from_png
from compute.store.schema import SCHEMA_VERSION, TABLES

Edit = Callable[[Path], object]


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Path:
    """A store that may be damaged."""
    return shutil.copytree(store.path, tmp_path / "store")


def column(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return [value for (value,) in connection.execute(query).fetchall()]


def test_measures_are_those_of_the_masks(store: Store) -> None:
    """Equations 2 and 3 of the paper, from the stored images alone."""
    with store.connect() as connection:
        images = {(o, k): from_png(p) for o, k, p in connection.execute("from images").fetchall()}
        segment = dict(connection.execute("select case_id, segment from cases").fetchall())
        rows = connection.execute("select case_id, photo_id, explainer, n, jaccard, hamming from measures").fetchall()
    assert len(rows) == 20 * 4 * len(segment) > 0
    for case, photo, explainer, n, jaccard, hamming in rows:
        entry = images[case, f"entry:{explainer}"]
        chosen = (entry > 0) & (entry <= n)
        region = images[photo, "segments"] == segment[case]
        assert jaccard == pytest.approx((chosen & region).sum() / (chosen | region).sum())
        assert hamming == pytest.approx(1 - (chosen ^ region).mean())


def test_ranks_are_average_ranks(store: Store) -> None:
    with store.connect() as connection:
        rows = connection.execute(
            """select case_id, n, explainer, jaccard, hamming, rank_jaccard, rank_hamming
               from ranks join measures using (case_id, explainer, n)"""
        ).fetchall()
    by_case: dict[tuple[str, int], list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        by_case[row[:2]].append(row[2:])
    for found in by_case.values():
        assert {row[0] for row in found} == {"saliency", "guided_backprop", "lime"}
        for score, rank in ((1, 3), (2, 4)):
            for row in found:
                better = sum(other[score] > row[score] for other in found)
                equal = sum(other[score] == row[score] for other in found)
                assert row[rank] == 1 + better + (equal - 1) / 2
            assert sum(row[rank] for row in found) == 6


def small(scores: list[tuple[str, str, int, int]], explainers: list[tuple[str, bool]]) -> duckdb.DuckDBPyConnection:
    """The views over hand-made scores (case, explainer, pixels, hits) of n = 1; regions of 10 of 100 pixels."""
    connection = duckdb.connect(":memory:")
    for table, schema in TABLES.items():
        connection.register("empty", schema.empty_table())
        connection.execute(f"create table {table} as from empty")
    connection.execute("create table explainers (name varchar, position integer, baseline boolean)")
    for i, (name, baseline) in enumerate(explainers):
        connection.execute("insert into explainers values (?, ?, ?)", [name, i, baseline])
    connection.execute("insert into photos (photo_id, name, size) values ('p', 'p.jpg', 10)")
    for case in sorted({row[0] for row in scores}):
        connection.execute(
            """insert into attempts (case_id, photo_id, region_pixels, n_pixels, success)
               values (?, 'p', 10, 100, true)""",
            [case],
        )
    for case, explainer, pixels, hits in scores:
        connection.execute("insert into scores values (?, ?, 1, ?, ?)", [case, explainer, pixels, hits])
    connection.execute(resources.files("compute.store").joinpath("views.sql").read_text())
    return connection


def test_a_perfect_explanation_scores_one_and_an_empty_one_nothing() -> None:
    connection = small([("c", "a", 10, 10), ("c", "b", 0, 0), ("c", "d", 90, 0)], [("a", False)])
    rows = connection.execute("select explainer, jaccard, hamming from measures order by all").fetchall()
    assert rows == [("a", 1.0, 1.0), ("b", 0.0, 0.9), ("d", 0.0, 0.0)]


def test_ties_share_their_average_rank() -> None:
    explainers = [("a", False), ("b", False), ("c", False), ("random", True)]
    scores = [("1", "a", 10, 5), ("1", "b", 10, 5), ("1", "c", 10, 9), ("1", "random", 10, 10)]
    scores += [("2", name, 10, 5) for name in "abc"] + [("2", "random", 10, 0)]
    connection = small(scores, explainers)
    rows = connection.execute(
        "select case_id, explainer, rank_jaccard, rank_hamming from ranks order by all"
    ).fetchall()
    assert rows == [
        ("1", "a", 2.5, 2.5), ("1", "b", 2.5, 2.5), ("1", "c", 1.0, 1.0),
        ("2", "a", 2.0, 2.0), ("2", "b", 2.0, 2.0), ("2", "c", 2.0, 2.0),
    ]  # fmt: skip
    assert column(connection, "select mean_rank_jaccard from mean_ranks") == [2.25, 2.25, 1.5, None]


def test_cases_that_not_every_ranked_explainer_has_explained_are_scored_not_ranked() -> None:
    explainers = [("a", False), ("b", False), ("random", True)]
    scores = [("1", "a", 10, 5), ("1", "random", 10, 1), ("2", "a", 10, 5), ("2", "b", 10, 6)]
    connection = small(scores, explainers)
    assert set(column(connection, "select case_id from ranks")) == {"2"}
    assert column(connection, "select count(*) from measures") == [4]
    assert column(connection, "select explanations from mean_ranks") == [2, 1, 1]


def test_a_case_s_best_n_is_the_smallest_of_the_best(store: Store) -> None:
    with store.connect() as connection:
        best = connection.execute(
            "select case_id, explainer, best_n, best_jaccard, mean_jaccard, mean_hamming from case_scores order by all"
        ).fetchall()
        scores = connection.execute(
            "select case_id, explainer, n, jaccard, hamming from measures order by n"
        ).fetchall()
    assert len(best) * 20 == len(scores) > 0
    for case, explainer, n, jaccard, mean_jaccard, mean_hamming in best:
        mine = [row[2:] for row in scores if row[:2] == (case, explainer)]
        assert (n, jaccard) == max(((m, j) for m, j, _ in mine), key=lambda pair: (pair[1], -pair[0]))
        assert mean_jaccard == pytest.approx(np.mean([j for _, j, _ in mine]))
        assert mean_hamming == pytest.approx(np.mean([h for _, _, h in mine]))


def test_discarded_attempts_are_no_cases(store: Store) -> None:
    with store.connect() as connection:
        assert column(connection, "select count(*) from cases") == column(
            connection, "select count(*) from attempts where outcome = 'success'"
        )


def test_images_are_bit_for_bit_what_was_attacked_and_explained(store: Store) -> None:
    with store.connect() as connection:
        images = {(o, k): from_png(p) for o, k, p in connection.execute("from images").fetchall()}
        attempts = connection.execute("select case_id, photo_id, segment, linf, region_pixels from attempts").fetchall()
    assert attempts
    for case, photo, segment, linf, pixels in attempts:
        region = images[photo, "segments"] == segment
        change = np.abs(images[case, "adversarial"].astype(int) - images[photo, "photo"])
        assert change.max() == linf
        assert not change[~region].any()
        assert region.sum() == pixels


def test_a_connection_reads_nothing_else(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with store.connect() as connection:
        for query in (
            f"from read_csv('{tmp_path / 'secret.csv'}')",
            f"copy photos to '{tmp_path / 'out.csv'}'",
            f"attach '{tmp_path / 'new.db'}'",
            "set enable_external_access = true",
            f"from read_parquet('{store.path / 'photos.parquet'}')",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)
        assert column(connection, "select count(*) from images") == [store.manifest["tables"]["images"]["rows"]]


def test_a_store_in_a_folder_of_any_name_opens(store: Store, tmp_path: Path) -> None:
    moved = shutil.copytree(store.path, tmp_path / "it's a [store] * ? %20")
    with open_store(moved).connect() as connection:
        assert column(connection, "select count(*) > 0 from images") == [True]


def test_checksums_tell_what_was_damaged(copy: Path) -> None:
    assert open_store(copy).damaged() == []
    path = copy / "images.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert open_store(copy).damaged() == ["images"]


def manifest(**changes: Any) -> Edit:
    def edit(root: Path) -> None:
        found = json.loads((root / MANIFEST).read_text())
        (root / MANIFEST).write_text(json.dumps({k: v for k, v in {**found, **changes}.items() if v is not None}))

    return edit


def rewritten(table: str, change: Callable[[pa.Table], pa.Table]) -> Edit:
    return lambda root: pq.write_table(change(pq.read_table(root / f"{table}.parquet")), root / f"{table}.parquet")


def outside(root: Path) -> None:
    (root / "photos.parquet").rename(root.parent / "photos.parquet")
    (root / "photos.parquet").symlink_to(root.parent / "photos.parquet")


BAD: dict[str, tuple[Edit, str]] = {
    "newer": (manifest(schema_version=SCHEMA_VERSION + 1), "comes from a newer wolfspider"),
    "older": (manifest(schema_version=SCHEMA_VERSION - 1), "comes from an older wolfspider"),
    "no version": (manifest(schema_version=None), "not a readable manifest"),
    "no tables": (manifest(tables=None), "lacks or garbles 'tables'"),
    "no explainers": (manifest(explainers=None), "lacks or garbles 'explainers'"),
    "garbled explainers": (manifest(explainers=[1]), "lacks or garbles"),
    "no target": (manifest(target={}), "lacks or garbles"),
    "garbled manifest": (lambda root: (root / MANIFEST).write_text("{"), "not a readable manifest"),
    "list manifest": (lambda root: (root / MANIFEST).write_text("[]"), "not a readable manifest"),
    "no manifest": (lambda root: (root / MANIFEST).unlink(), "an unfinished sweep: run the sweep again"),
    "no table": (lambda root: (root / "scores.parquet").unlink(), "scores.parquet: missing from the store"),
    "garbled table": (lambda root: (root / "scores.parquet").write_text("x"), "not a readable Parquet file"),
    "fewer rows": (rewritten("scores", lambda t: t.slice(1)), "rows where the manifest says"),
    "column gone": (rewritten("scores", lambda t: t.drop_columns(["hits"])), "differ from the schema: hits"),
    "column more": (rewritten("scores", lambda t: t.append_column("x", t["n"])), "differ from the schema: x"),
    "another type": (
        rewritten("photos", lambda t: t.set_column(0, "photo_id", t["photo_id"].cast(pa.large_string()))),
        "differ from the schema: photo_id",
    ),
    "other order": (rewritten("scores", lambda t: t.select(t.column_names[::-1])), "their order"),
    "outside": (outside, "leads outside the store"),
}


@pytest.mark.parametrize("damage", BAD)
def test_a_bad_store_is_refused_in_words(copy: Path, damage: str) -> None:
    edit, reason = BAD[damage]
    edit(copy)
    with pytest.raises(InputError, match=reason):
        open_store(copy)


def test_no_store_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; `wolfspider sweep --out"):
        open_store(tmp_path / "none")
    with pytest.raises(InputError, match=r"not a store: it has no manifest\.json"):
        open_store(tmp_path)


def test_opening_needs_no_torch() -> None:
    """In a fresh process: whoever reads a store does not wait for torch."""
    tiny.in_fresh_process(
        "import compute.store.opening, compute.scoring.statistics, sys; assert 'torch' not in sys.modules"
    )
