"""An opened store: checked against its manifest and schema, read-only, its views the paper's definitions."""

import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import tiny
import views
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make_store import sign

from compute.errors import InputError
from compute.store.opening import Store, open_store
from compute.store.png import from_png
from compute.store.schema import PUBLISHED
from compute.store.tables import publishing


@pytest.fixture
def copy(store: Store, tmp_path: Path) -> Path:
    """A store that may be damaged."""
    return shutil.copytree(str(store.path), tmp_path / "store")


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
    """The views over hand-made counts (case, explainer, pixels, hits) of one photo."""
    return views.over([("p", *row) for row in scores], explainers)


def test_a_perfect_explanation_scores_one_and_an_empty_one_nothing() -> None:
    connection = small([("c", "a", 10, 10), ("c", "b", 0, 0), ("c", "d", 90, 0)], [("a", False)])
    rows = connection.execute("select distinct explainer, jaccard, hamming from measures order by all").fetchall()
    assert rows == [("a", 1.0, 1.0), ("b", 0.0, 0.9), ("d", 0.0, 0.0)]


def test_ties_share_their_average_rank() -> None:
    explainers = [("a", False), ("b", False), ("c", False), ("random", True)]
    scores = [("1", "a", 10, 5), ("1", "b", 10, 5), ("1", "c", 10, 9), ("1", "random", 10, 10)]
    scores += [("2", name, 10, 5) for name in "abc"] + [("2", "random", 10, 0)]
    connection = small(scores, explainers)
    rows = connection.execute(
        "select distinct case_id, explainer, rank_jaccard, rank_hamming from ranks order by all"
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
    assert column(connection, "select count(*) from measures") == [80]
    assert column(connection, "select explanations from mean_ranks") == [40, 20, 20]


def test_a_case_s_best_n_is_the_smallest_of_the_best(store: Store) -> None:
    with store.connect() as connection:
        best = connection.execute(
            "select case_id, explainer, best_n, best_jaccard, mean_jaccard, mean_hamming from case_methods order by all"
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


def test_a_connection_reaches_no_file(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    opened = open_store(copy)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with opened.connect() as connection:
        for query in (
            f"from read_csv('{tmp_path / 'secret.csv'}')",
            f"from read_blob('{copy / 'images.parquet'}')",
            f"from read_parquet('{copy / 'images.parquet'}')",
            f"copy photos to '{tmp_path / 'out.csv'}'",
            f"copy photos to '{copy / 'images.parquet'}' (format parquet)",
            f"export database '{tmp_path / 'out'}'",
            f"attach '{tmp_path / 'new.db'}'",
            "set enable_external_access = true",
            "set memory_limit = '1TB'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(query)
        with connection.cursor() as cursor:
            assert column(cursor, "select count(*) from images") == [opened.manifest["tables"]["images"]["rows"]]
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def facts(path: Path) -> list[Any]:
    opened = open_store(path)
    with opened.connect() as connection:
        return [
            *connection.execute("from measures order by all").fetchall(),
            *connection.execute("from ranks order by all").fetchall(),
            column(connection, "select md5(png) from images order by all"),
            opened.damaged(),
        ]


@pytest.fixture(scope="module")
def moving(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two photos in the folder `a`, beside two others, `ab` and `ac`."""
    folder = tmp_path_factory.mktemp("moving")
    for name in ("ab", "ac"):
        shutil.copytree(str(store.path), folder / name)
    tiny.published(folder / "a", 2)
    return folder


@example(b"photo_id=3")
@example(b"hits=1")
@example(b"explainer=lime")
@example(b"a*")
@example(b"a[bc]")
@example(b"a?")
@example(b"it's; drop table scores --")
@example('naïve 🕷 %20 "\\ {x}'.encode())
@example(b"\xff\xfe")
@example(b"a\nb")
@settings(max_examples=30)
@given(
    st.binary(min_size=1, max_size=60).filter(
        lambda b: not {0, ord("/")} & {*b} and b not in {b".", b"..", b"ab", b"ac"}
    )
)
def test_the_path_of_a_store_does_not_matter(moving: Path, name: bytes) -> None:
    before, moved = moving / "a", moving / os.fsdecode(name)
    expected = facts(before)
    before.rename(moved)
    try:
        assert facts(moved) == expected
    finally:
        moved.rename(before)


def test_a_store_is_found_through_links(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(str(store.path))
    assert facts(tmp_path / "link") == facts(Path(str(store.path)))


def test_checksums_tell_what_was_damaged(copy: Path) -> None:
    assert open_store(copy).damaged() == []
    path = copy / "images.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    opened = open_store(copy)
    assert opened.damaged() == ["images"]
    path.unlink()
    assert opened.damaged() == ["images"]


@pytest.mark.parametrize("table", sorted(set(PUBLISHED) - {"images"}))
def test_a_flipped_bit_in_a_small_table_is_seen_on_opening(copy: Path, table: str) -> None:
    path = copy / f"{table}.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"{table}\.parquet: damaged"):
        open_store(copy)


def test_what_was_verified_is_what_is_read(copy: Path) -> None:
    opened = open_store(copy)
    with opened.connect() as connection:
        before = connection.execute("from explanations").fetchall()
    (copy / "explanations.parquet").write_bytes(b"something else")
    with opened.connect() as connection:
        assert connection.execute("from explanations").fetchall() == before


def test_no_store_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; `wolfspider sweep --out"):
        open_store(tmp_path / "none")
    with pytest.raises(InputError, match=r"not a store: it has no manifest\.json"):
        open_store(tmp_path)


def test_opening_needs_no_torch() -> None:
    """In a fresh process: whoever reads a store does not wait for torch."""
    tiny.in_fresh_process(
        "import compute.store.opening, compute.reporting.statistics, sys; assert 'torch' not in sys.modules"
    )


def test_derived_tables_that_do_not_follow_from_the_others_are_told(copy: Path) -> None:
    path = copy / "case_methods.parquet"
    found = pq.read_table(path)
    place = found.schema.get_field_index("mean_jaccard")
    changed = pc.add(found["mean_jaccard"], 1e-6)
    pq.write_table(found.set_column(place, found.schema.field(place), changed), path)
    sign(copy, "case_methods")
    assert open_store(copy).damaged() == ["case_methods"]


def test_tables_are_derived_alike_whole_and_in_pieces(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PIECE", 1)
    assert tiny.facts(tiny.published(tmp_path)) == tiny.facts(store)


def test_the_spread_over_seeds_is_that_of_plain_numbers() -> None:
    """Regions of 10 pixels: h of 10 hit make a Jaccard index of h / (20 - h), at every n."""
    own = {"c": 5, "d": 2}
    others = {("c", 1): 8, ("d", 1): 2, ("c", 2): 10, ("d", 2): 0, ("e", 1): 9}
    connection = small([(case, "lime", 10, hits) for case, hits in {**own, "e": 4}.items()], [("lime", False)])
    for (case, repeat), hits in others.items():
        connection.execute(
            "insert into packed_repeats.repeats (case_id, explainer, repeat, pixels, hits, overlap5) "
            "values (?, 'lime', ?, ?, ?, ?)",
            [case, repeat, [10] * 20, [hits] * 20, 0.4 if repeat == 1 else 0.8],
        )
    jaccard = np.array([[h / (20 - h) for h in (own[c], others[c, 1], others[c, 2])] for c in "cd"])
    ((name, seeds, cases, sd, case_sd, overlap5),) = connection.execute("from seed_spread").fetchall()
    assert (name, seeds, cases) == ("lime", 3, 2)  # the third case lacks a seed
    assert sd == pytest.approx(jaccard.mean(axis=0).std(ddof=1))
    assert case_sd == pytest.approx(np.sqrt(jaccard.var(axis=1, ddof=1).mean()))
    assert overlap5 == pytest.approx(0.6)
