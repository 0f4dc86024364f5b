"""Sweeps and stores in a bucket: the same as here, and whatever fails there is repeated or said."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny
from bucket import SECRET, Bucket, cut, refused
from remote_stores import SMALL
from test_parts import RUN, failures
from upath import UPath

from compute.errors import InputError, Notice
from compute.store.manifest import MANIFEST
from compute.store.opening import Store, open_store
from compute.store.places.bucket import BucketParts, parts_at
from compute.store.schema import PUBLISHED
from compute.sweep.run import publish

pytestmark = pytest.mark.usefixtures("loud")


@pytest.fixture
def parts(s3: Bucket, request: pytest.FixtureRequest) -> BucketParts:
    made = parts_at(f"s3://bucket/{request.node.name}")
    assert isinstance(made, BucketParts)
    made.begin(RUN)
    return made


def test_an_interrupted_sweep_into_a_bucket_ends_as_one_that_was_not(s3: Bucket, local: Store) -> None:
    out = "s3://bucket/runs/one"
    with (
        s3.failing(refused(403, "AccessDenied", only="PUT", path="/parts/explain-made-1")),
        pytest.raises(InputError, match=r"--out s3://bucket/runs/one: cannot be written .no permission: .*is kept"),
    ):
        tiny.sweep(out, 3, **SMALL)
    kept = s3.names("runs/one")
    assert {"run.json", "parts/attack-00000.tar"} < kept and len(kept) >= 3 and not kept & {MANIFEST}
    with (
        s3.failing(refused(503, "ServiceUnavailable", only="PUT", path=MANIFEST)),
        pytest.raises(InputError, match=r"cannot be written .*ServiceUnavailable"),
    ):
        tiny.sweep(out, 3, **SMALL)
    assert kept < s3.names("runs/one") and MANIFEST not in s3.names("runs/one")
    written = [path for method, path in s3.asked if method == "PUT" and "/parts/" in path]
    store = tiny.published(out, 3, **SMALL)
    assert [path for method, path in s3.asked if method == "PUT" and "/parts/" in path] == written  # none made anew
    assert s3.names("runs/one") == {*(f"{t}.parquet" for t in PUBLISHED), MANIFEST, "run.json"}
    assert tiny.facts(store) == tiny.facts(local)
    bits = [
        {t: s.manifest["tables"][t]["files"][0]["sha256"] for t in PUBLISHED if t != "explanations"}
        for s in (store, local)
    ]
    assert bits[0] == bits[1]
    assert store.damaged() == []


def test_a_driver_that_is_killed_is_gone_on_from(s3: Bucket, local: Store, tmp_path: Path) -> None:
    code = f"import interrupted; interrupted.sweep_until('s3://bucket/runs/killed', 'object', 3, count=3, **{SMALL!r})"
    paths = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parent)))
    environment = {**os.environ, "PYTHONPATH": paths, "TMPDIR": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == -signal.SIGKILL
    kept = s3.names("runs/killed")
    assert {"run.json", "parts/attack-00000.tar"} < kept and MANIFEST not in kept
    assert tiny.facts(tiny.published("s3://bucket/runs/killed", 3, **SMALL)) == tiny.facts(local)


def test_credentials_are_in_no_object(s3: Bucket) -> None:
    tiny.sweep("s3://bucket/runs/shard", 2, (1, 2), **SMALL, group=1)
    root = UPath("s3://bucket/runs/shard", use_listings_cache=False)
    for name in s3.names("runs/shard"):
        data = (root / name).read_bytes()
        assert not [value for value in SECRET.values() if value.encode() in data]


def test_shards_and_a_second_driver_share_a_bucket(s3: Bucket) -> None:
    out = "s3://bucket/runs/two"
    for shard in ((1, 2), (2, 2)):
        assert tiny.sweep(out, 3, shard, **SMALL, group=1) is None
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(publish, (out, out))
    assert one.manifest["tables"] == two.manifest["tables"]
    with pytest.raises(InputError, match=r"holds another configuration .seed: 0 there, 1 now.; choose another --out"):
        tiny.sweep(out, 3, **SMALL, group=1, seed=1)


def test_of_two_runs_at_once_one_gets_the_bucket(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """All look before any claims; equal runs share."""
    gate, begun = threading.Barrier(4), BucketParts.begun

    def look(self: BucketParts) -> bool:
        found = begun(self)
        gate.wait()
        return found

    def begin(i: int) -> int | None:
        try:
            run = {**RUN, "config_hash": f"{i % 2}", "config": {"group": 1, "seed": i % 2}}
            parts_at("s3://bucket/runs/claimed").begin(run)
        except InputError as error:
            assert "holds another configuration (seed: " in str(error)
            return None
        return i % 2

    monkeypatch.setattr(BucketParts, "begun", look)
    with ThreadPoolExecutor(4) as pool:
        let_in = [seed for seed in pool.map(begin, range(4)) if seed is not None]
    assert let_in == [let_in[0]] * 2


def test_a_bucket_without_conditions_is_claimed_too(s3: Bucket) -> None:
    """As of servers that know S3's older half."""

    def ignorant(environ: dict[str, Any], _: object) -> None:
        environ.pop("HTTP_IF_NONE_MATCH", None)

    for number, fault in enumerate((ignorant, refused(501, "NotImplemented", only="PUT", times=1))):
        with s3.failing(fault):
            parts_at(f"s3://bucket/runs/older{number}").begin(RUN)
        assert s3.names(f"runs/older{number}") == {"run.json"}


def test_a_part_is_read_as_it_was_written_and_stays_that_of_the_first(s3: Bucket, parts: BucketParts) -> None:
    assert not parts.done("a")
    parts.write("a", {"failures": failures("a")}, {"lime": 1.5})
    parts.write("a", {"failures": failures("another")}, {"lime": 1.5})
    assert parts.done("a")
    assert parts.read("a", "failures") == failures("a")
    assert parts.read("a", "photos") == []


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_part_is_seen_and_mended(s3: Bucket, parts: BucketParts, damage: str) -> None:
    rows = {"failures": failures("a")}
    parts.write("a", rows, {"lime": 1.5})
    path = parts.folder / "a.tar"
    whole = path.read_bytes()
    at = whole.index(b"PAR1") + 20
    flipped = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
    path.write_bytes({"cut": whole[:700], "flipped": flipped, "text": b"no tar"}[damage])
    with pytest.raises(InputError, match=r"^s3://bucket/.*/parts/a.*: damaged"):
        parts.publish([["a"]], {"explainers": []})
    with pytest.warns(Notice, match=r"^s3://bucket/.*/parts/a.*: damaged.*this part is made anew"):
        assert not parts.done("a")
    parts.write("a", rows, {"lime": 1.5})
    assert parts.done("a")


def test_a_part_that_cannot_be_fetched_is_not_thrown_away(s3: Bucket, parts: BucketParts) -> None:
    parts.write("a", {}, {})
    with (
        s3.failing(refused(403, "AccessDenied", only="GET", path="a.tar")),
        pytest.raises(InputError, match=r"parts cannot be read .no permission"),
    ):
        parts.done("a")
    assert parts.done("a")


def test_missing_parts_and_a_bucket_that_lets_nothing_be_deleted(s3: Bucket, parts: BucketParts) -> None:
    parts.write("a", {}, {})
    with pytest.raises(InputError, match=r"^s3://bucket/.*: 1 of 2 parts are missing .b, .*then publish"):
        parts.publish([["a"], ["b"]], {"explainers": []})
    with (
        s3.failing(refused(403, "AccessDenied", only="DELETE")),
        pytest.warns(Notice, match="is no longer needed, but stays .no permission"),
    ):
        parts.discard()
    parts.discard()
    assert {name.split("/")[0] for name in s3.names(parts.root.name)} == {"run.json"}
    parts.discard()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("QuotaExceeded", "QuotaExceeded it is"),
        ("RequestTimeTooSkewed", "RequestTimeTooSkewed it is"),
        ("NoSuchBucket", "NoSuchBucket it is"),
    ],
)
def test_what_a_bucket_refuses_is_said(s3: Bucket, parts: BucketParts, code: str, words: str) -> None:
    with (
        s3.failing(refused(400, code, only="PUT")),
        pytest.raises(InputError, match=rf"^--out s3://bucket/.*: cannot be written .*{words}.*is kept"),
    ):
        parts.write("a", {}, {})
    assert s3.names(parts.root.name) == {"run.json"}


ONCE = {
    "slow": lambda s3: cut(s3, "attempts.parquet", pause=3),
    "cut": lambda s3: cut(s3, "attempts.parquet"),
    "503": lambda s3: refused(503, "SlowDown", only="GET", path="attempts.parquet", times=1),
}


@pytest.mark.parametrize("fault", ONCE)
def test_what_fails_once_is_read_again(s3: Bucket, sent: str, local: Store, fault: str) -> None:
    with s3.failing(ONCE[fault](s3)):
        assert open_store(sent).tables["attempts"].equals(local.tables["attempts"])


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [(403, "AccessDenied", "no permission"), (404, "NoSuchKey", "missing"), (503, "Unavailable", "Unavailable")],
)
def test_what_fails_for_good_is_said(s3: Bucket, sent: str, code: int, reason: str, words: str) -> None:
    with (
        s3.failing(refused(code, reason, path="attempts.parquet")),
        pytest.raises(InputError, match=rf"^s3://bucket/boards/sent/attempts\.parquet: .*{words}"),
    ):
        open_store(sent)
