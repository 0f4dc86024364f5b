"""Parts: there whole or not at all, and published only when all are there."""

import errno
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compute.errors import InputError, Notice
from compute.store import durable
from compute.store.files import sha256_file
from compute.store.manifest import MANIFEST
from compute.store.parts import Parts
from compute.store.schema import PUBLISHED

RUN: dict[str, Any] = {
    "config": {"group": 1, "regions": 4, "seed": 0}, "config_hash": "abc", "environment": {"torch": "2"},
    "given": {}, "device": {"kind": "cpu"}, "classifier": {"name": "made", "size": 8, "weights_sha256": "0"},
    "target": {"index": 1, "name": "cup"}, "explainers": [{"name": "lime", "baseline": False}], "sizes": "lime",
    "photos": ["a"],
}  # fmt: skip
NOBODY: dict[str, Any] = {"explainers": []}


def failures(case: str, reason: str = "broken") -> list[dict[str, Any]]:
    return [
        {"stage": "explain", "photo": "a.png", "case_id": case, "explainer": f"e{i}", "reason": reason}
        for i in range(20)
    ]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    made = Parts(tmp_path / "store")
    made.begin(RUN)
    return made


def test_a_part_is_read_as_it_was_written(parts: Parts) -> None:
    assert not parts.done("a")
    parts.write("a", {"failures": failures("a-r01")}, {"lime": 1.5})
    assert parts.done("a")
    assert parts.read("a", "failures") == failures("a-r01")
    assert parts.read("a", "photos") == []


def test_publishing_joins_in_the_order_given_and_adds_up(parts: Parts) -> None:
    for name in "cab":
        parts.write(name, {"failures": failures(name)}, {"lime": 1.5, f"only {name}": 1.0})
    manifest = parts.publish([["a", "b"], ["c"]], NOBODY)
    found = pq.read_table(parts.root / "failures.parquet")
    assert found.column("case_id").to_pylist() == ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    assert manifest["seconds"] == {"lime": 4.5, "only a": 1.0, "only b": 1.0, "only c": 1.0}
    assert json.loads((parts.root / MANIFEST).read_text()) == manifest
    for table, schema in PUBLISHED.items():
        path = parts.root / f"{table}.parquet"
        assert pq.read_schema(path).equals(schema, check_metadata=True)
        rows, keys = pq.read_metadata(path).num_rows, pq.read_table(path).column(0).to_pylist()
        size, digest = path.stat().st_size, sha256_file(path)
        file = {"name": path.name, "rows": rows, "bytes": size, "sha256": digest}
        bounds = {"least": min(keys, default=""), "greatest": max(keys, default="")}
        assert manifest["tables"][table] == {"rows": rows, "files": [file | bounds]}
    parts.discard()
    assert not parts.folder.exists()
    assert {p.name for p in parts.root.iterdir()} == {*(f"{t}.parquet" for t in PUBLISHED), MANIFEST, "run.json"}


def test_images_come_in_small_row_groups(parts: Parts) -> None:
    for name in "abc":
        parts.write(name, {"images": [{"owner": name, "kind": str(i), "png": b"x"} for i in range(50)]}, {})
    parts.publish([["a", "b"], ["c"]], NOBODY)
    metadata = pq.read_metadata(parts.root / "images.parquet")
    assert max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) <= 64


def test_a_missing_part_is_not_published(parts: Parts) -> None:
    parts.write("a", {"failures": failures("a")}, {})
    with pytest.raises(InputError, match=r"1 of 2 parts are missing .b, .*then publish"):
        parts.publish([["a"], ["b"]], NOBODY)
    assert parts.done("a")
    assert not (parts.root / MANIFEST).exists()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_no_half_part(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.write("a", {"failures": failures("a")}, {})
    with monkeypatch.context() as patched:
        patched.setattr(durable, "write", full)
        with pytest.raises(InputError, match=r"cannot be written .No space left"):
            parts.write("b", {"failures": failures("b")}, {})
    assert [path.name for path in parts.folder.iterdir()] == ["a"]
    parts.write("b", {"failures": failures("b")}, {})
    assert parts.read("b", "failures") == failures("b")


def test_a_full_disk_while_publishing_loses_no_part(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    parts.write("a", {"failures": failures("a")}, {})
    with monkeypatch.context() as patched:
        patched.setattr(pq.ParquetWriter, "write_table", full)
        with pytest.raises(InputError, match=r"cannot be written .No space left"):
            parts.publish([["a"]], NOBODY)
    assert parts.done("a")
    assert not (parts.root / MANIFEST).exists()
    parts.publish([["a"]], NOBODY)
    parts.discard()
    assert {p.name for p in parts.root.iterdir()} == {*(f"{t}.parquet" for t in PUBLISHED), MANIFEST, "run.json"}
    assert pq.read_metadata(parts.root / "failures.parquet").num_rows == 20


FILES = ["failures.parquet", "seconds.json", "sums.json"]


@pytest.mark.parametrize("file", FILES)
def test_any_damage_to_a_part_is_seen_and_mended(parts: Parts, file: str) -> None:
    rows = {"failures": failures("a")}
    parts.write("a", rows, {"lime": 1.5})
    assert sorted(path.name for path in (parts.folder / "a").iterdir()) == FILES
    path = parts.folder / "a" / file
    whole = path.read_bytes()
    flipped = [
        bytes([*whole[:i], whole[i] ^ (1 << i % 8), *whole[i + 1 :]])
        for i in range(0, len(whole), 1 + len(whole) // 19)
    ]
    for damage in (b"", whole[:-1], whole + b"1", *flipped, None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(InputError, match=r"parts/a/.*: (damaged|missing|not readable JSON)"):
            parts.publish([["a"]], NOBODY)
        with pytest.warns(Notice, match=r"parts/a/.*: .*this part is made anew"):
            assert not parts.done("a")
        parts.write("a", rows, {"lime": 1.5})
        assert parts.done("a")
        assert [path.name for path in parts.folder.iterdir()] == ["a"]
    parts.publish([["a"]], NOBODY)


HOSTILE: dict[str, tuple[str, bytes]] = {
    "another table": ("failures.parquet", b"PAR1 and nothing else PAR1"),
    "seconds as text": ("seconds.json", b'{"lime": "long"}'),
    "seconds as a list": ("seconds.json", b"[]"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_part_whose_checksums_fit_may_still_be_no_part(parts: Parts, kind: str) -> None:
    file, content = HOSTILE[kind]
    parts.write("a", {"failures": failures("a")}, {})
    (parts.folder / "a" / file).write_bytes(content)
    sums = {name: sha256_file(parts.folder / "a" / name) for name in FILES if name != "sums.json"}
    (parts.folder / "a" / "sums.json").write_text(json.dumps(sums))
    with pytest.raises(InputError, match="damaged"):
        parts.publish([["a"]], NOBODY)


def test_of_two_writers_one_part_stays_whole(parts: Parts) -> None:
    gate = threading.Barrier(8)

    def write(i: int) -> None:
        gate.wait()
        parts.write("a", {"failures": failures("a", str(i))}, {"lime": float(i)})

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hits = {row["reason"] for row in parts.read("a", "failures")}
    assert len(hits) == 1
    assert json.loads((parts.folder / "a" / "seconds.json").read_text()) == {"lime": float(hits.pop())}
    assert [path.name for path in parts.folder.iterdir()] == ["a"]


def test_of_two_runs_at_once_one_gets_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All look before any claims; equal runs share."""
    gate, begun = threading.Barrier(8), Parts.begun

    def look(self: Parts) -> bool:
        found = begun(self)
        gate.wait()
        return found

    def begin(i: int) -> int | None:
        try:
            Parts(tmp_path / "store").begin({**RUN, "config_hash": f"{i % 2}", "config": {"group": 1, "seed": i % 2}})
        except InputError as error:
            assert "holds another configuration (seed: " in str(error)
            return None
        return i % 2

    monkeypatch.setattr(Parts, "begun", look)
    with ThreadPoolExecutor(8) as pool:
        let_in = [seed for seed in pool.map(begin, range(8)) if seed is not None]
    assert let_in == [let_in[0]] * 4
    assert Parts(tmp_path / "store").run()["config"]["seed"] == let_in[0]


def test_parts_without_their_run_are_not_taken_for_its_own(parts: Parts) -> None:
    parts.write("a", {}, {})
    (parts.root / "run.json").unlink()
    with pytest.raises(InputError, match=r"holds a store or parts without run\.json"):
        Parts(parts.root).begin(RUN)


def test_leftovers_are_cleared_by_who_is_alone(tmp_path: Path) -> None:
    first = Parts(tmp_path)
    first.begin(RUN)
    first.write("a", {}, {})
    (first.folder / ".b.1234").mkdir()
    (first.folder / ".b.1234" / "failures.parquet").write_bytes(b"half a")
    (first.folder / ".images.5678").write_bytes(b"half a")
    Parts(tmp_path).begin(RUN)
    assert len(list(first.folder.iterdir())) == 3  # the first is still at work
    del first
    Parts(tmp_path).begin(RUN)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["a"]


def test_a_relative_folder_stays_where_it_is(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_folder / "elsewhere").mkdir()
    made = Parts(Path("store"))
    made.begin(RUN)
    monkeypatch.chdir(in_folder / "elsewhere")
    made.write("a", {}, {})
    assert (in_folder / "store" / "parts" / "a").is_dir()


@pytest.mark.parametrize("name", [b"n=3", b"a*[b]?", b"it's", b"\xff", "naïve 🕷".encode(), b"a\nb"])
def test_the_path_of_a_run_does_not_matter(tmp_path: Path, name: bytes) -> None:
    made = Parts(tmp_path / os.fsdecode(name) / "store")
    made.begin(RUN)
    made.write("a", {"failures": failures("a")}, {"lime": 1.0})
    assert made.publish([["a"]], NOBODY)["tables"]["failures"]["rows"] == 20


def test_the_same_run_may_begin_again(parts: Parts) -> None:
    Parts(parts.root).begin(RUN)
    assert parts.run() == RUN


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"config_hash": "x", "config": {**RUN["config"], "regions": 5}},
            "another configuration .regions: 4 there, 5 now",
        ),
        ({"environment": {"torch": "3"}}, "a run of another environment .torch: '2' there, '3' now"),
        ({"config_hash": "x", "photos": ["b"]}, "a run of other photos"),
        ({"config_hash": "x", "device": {"kind": "cuda"}}, "a run on another kind of device .cpu there, cuda now"),
    ],
)
def test_another_run_is_refused_in_words(parts: Parts, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"holds {reason}.*choose another --out"):
        parts.begin({**RUN, **change})
    assert parts.run() == RUN


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*file/store: cannot be written .Not a directory"):
        Parts(tmp_path / "file" / "store").begin(RUN)


def test_an_unwritable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    with pytest.raises(InputError, match=r"cannot be written .Permission denied"):
        Parts(tmp_path / "store").begin(RUN)


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sweep was started here"):
        Parts(tmp_path).run()
    (tmp_path / "run.json").write_text("{garbled")
    with pytest.raises(InputError, match="no sweep was started here"):
        Parts(tmp_path).run()


def test_a_store_of_unknown_origin_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(InputError, match=r"holds a store or parts without run\.json"):
        Parts(tmp_path).begin(RUN)
