"""Stores from elsewhere: whatever is wrong with one is said in a sentence that names the file, by whatever reads it."""

import copy as copies
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_store import make_store, sign

from compute import cli
from compute.errors import InputError
from compute.reporting.report import report
from compute.store import opening
from compute.store.opening import open_store
from compute.store.schema import PUBLISHED, SCHEMA_VERSION
from compute.store.tables import reading
from compute.store.tables.keys import PER_PHOTO
from compute.sweep.run import publish

Edit = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("made") / "store", cases=24, size=32)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A store that may be damaged."""
    return shutil.copytree(made, tmp_path / "store")


def manifest(*keys: str | int, value: Any = None) -> Edit:
    """Set a value of the manifest, or remove it."""

    def edit(root: Path) -> None:
        whole = json.loads((root / "manifest.json").read_text())
        *above, last = keys
        inner = whole
        for key in above:
            inner = inner[key]
        inner[last] = value
        if value is None:
            del inner[last]
        (root / "manifest.json").write_text(json.dumps(whole))

    return edit


def text(content: str | bytes, name: str = "manifest.json") -> Edit:
    return lambda root: (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def table(name: str, change: Callable[[pa.Table], pa.Table]) -> Edit:
    """Rewrite a table, and let the manifest fit."""

    def edit(root: Path) -> None:
        pq.write_table(change(pq.read_table(root / f"{name}.parquet")), root / f"{name}.parquet")
        sign(root, name)

    return edit


def column(name: str, column: str, change: Callable[[list[Any]], list[Any]]) -> Edit:
    """Rewrite a column of a table."""

    def changed(found: pa.Table) -> pa.Table:
        at = found.schema.get_field_index(column)
        values = pa.array(change(found[column].to_pylist()), found.schema.field(at).type)
        return found.set_column(at, found.schema.field(at), values)

    return table(name, changed)


def first(value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [value, *values[1:]]


def doubled(found: pa.Table) -> pa.Table:
    """The last 20 rows are the first 20 again."""
    return pa.concat_tables([found.slice(0, len(found) - 20), found.slice(0, 20)])


def repeated(found: pa.Table) -> pa.Table:
    return found.take(np.zeros(300_000, int))


def begun_again(found: pa.Table) -> pa.Table:
    return pa.concat_tables([found, found.slice(0, 1)])


def not_utf8(found: pa.Table) -> pa.Table:
    names = pa.array([b"\xff\xfe"] * len(found), pa.binary()).view(pa.string())
    return found.set_column(1, found.schema.field("name"), names)


def replaced(name: str, by: Edit) -> Edit:
    def edit(root: Path) -> None:
        (root / name).unlink()
        by(root / name)

    return edit


def outside(root: Path, name: str) -> None:
    (root / name).rename(root.parent / name)
    (root / name).symlink_to(root.parent / name)


MANIFEST: dict[str, tuple[Edit, str]] = {
    "newer": (manifest("schema_version", value=SCHEMA_VERSION + 1), "comes from a newer wolfspider"),
    "older": (manifest("schema_version", value=SCHEMA_VERSION - 1), "comes from an older wolfspider"),
    "no version": (manifest("schema_version"), "it has no schema_version"),
    "version as text": (manifest("schema_version", value="1"), "it has no schema_version"),
    "empty": (text(""), "not readable JSON"),
    "cut short": (text('{"schema_version": 1, '), "not readable JSON"),
    "not UTF-8": (text(b'{"\xff": 1}'), "not readable JSON"),
    "a lone surrogate": (text(r'{"schema_version": "\ud800"}'), "not readable JSON"),
    "NaN": (text('{"schema_version": NaN}'), "not readable JSON"),
    "a list": (text("[]"), "it has no schema_version"),
    "deep": (text("[" * 100_000), "not readable JSON"),
    "a number of 100,000 digits": (text('{"schema_version": ' + "9" * 100_000 + "}"), "schema|JSON"),
    "huge": (lambda root: os.truncate(root / "manifest.json", 2**40), "larger than"),
    "a link": (lambda root: outside(root, "manifest.json"), "may lead outside the store"),
    "a link to nothing": (replaced("manifest.json", lambda p: p.symlink_to("nothing")), "manifest.json"),
    "a pipe": (replaced("manifest.json", os.mkfifo), "not a regular file"),
    "a folder": (replaced("manifest.json", Path.mkdir), "not a regular file"),
    "no tables": (manifest("tables"), "lacks or garbles 'tables'"),
    "a table less": (manifest("tables", "attempts"), "no table attempts"),
    "negative rows": (
        manifest("tables", "attempts", "rows", value=-1),
        "lacks or garbles 'tables.attempts.rows'",
    ),
    "rows as text": (
        manifest("tables", "attempts", "rows", value="9"),
        "lacks or garbles 'tables.attempts.rows'",
    ),
    "no checksum": (
        manifest("tables", "attempts", "files", 0, "sha256", value="0"),
        "lacks or garbles 'tables.attempts.files.0.sha256'",
    ),
    **{
        f"a file named {name}": (manifest("tables", "attempts", "files", 0, "name", value=name), "have other names")
        for name in ("../attempts.parquet", "/etc/passwd", "photos.parquet", "attempts-00001.parquet", "")
    },
    "no files": (manifest("tables", "attempts", "files", value=[]), "lacks or garbles 'tables.attempts.files'"),
    "other rows than its files'": (manifest("tables", "attempts", "rows", value=1), "have other rows than it"),
    "no explainers": (manifest("explainers"), "lacks or garbles 'explainers'"),
    "numbers as explainers": (manifest("explainers", value=[1]), r"lacks or garbles 'explainers\.0'"),
    "an explainer twice": (manifest("explainers", value=[{"name": "a", "baseline": False}] * 2), "stands twice"),
    "20,000 explainers": (
        manifest("explainers", value=[{"name": f"e{i}", "baseline": False} for i in range(20_000)]),
        "lacks or garbles 'explainers'",
    ),
    "a baseline as text": (manifest("explainers", value=[{"name": "a", "baseline": "no"}]), "explainers.0.baseline"),
    "no target": (manifest("target", value={}), "lacks or garbles 'target.index'"),
    "a list as configuration": (manifest("config", value=[]), "lacks or garbles 'config'"),
    "nested configuration": (manifest("config", "a", value={"b": {}}), "lacks or garbles 'config.a"),
    "groups of none": (manifest("config", "group", value=0), "lacks or garbles 'config.group'"),
    "a number as size": (manifest("classifier", "size", value=1e300), "lacks or garbles 'classifier.size'"),
    "seconds as text": (manifest("seconds", value={"lime": "long"}), "lacks or garbles 'seconds.lime'"),
    "a photo elsewhere": (manifest("photos", value=["../../secret"]), "lacks or garbles 'photos.0'"),
    "a long text": (manifest("created", value="x" * 10_000), "lacks or garbles 'created'"),
}

TABLE: dict[str, tuple[Edit, str]] = {
    "missing": (lambda root: (root / "explanations.parquet").unlink(), "explanations.parquet: missing"),
    "no images": (lambda root: (root / "images.parquet").unlink(), "images.parquet: missing"),
    "empty": (text("", "explanations.parquet"), "explanations.parquet: damaged"),
    "cut short": (lambda root: os.truncate(root / "explanations.parquet", 99), "explanations.parquet: damaged"),
    "images cut short": (lambda root: os.truncate(root / "images.parquet", 99), "not a readable Parquet file"),
    "huge": (lambda root: os.truncate(root / "explanations.parquet", 2**40), "explanations.parquet: larger than"),
    "a link": (lambda root: outside(root, "photos.parquet"), "may lead outside the store"),
    "images as a link": (lambda root: outside(root, "images.parquet"), "may lead outside the store"),
    "a link inside": (replaced("failures.parquet", lambda p: p.symlink_to("explanations.parquet")), "a link"),
    "a pipe": (replaced("explanations.parquet", os.mkfifo), "explanations.parquet: cannot be read"),
    "images as a pipe": (replaced("images.parquet", os.mkfifo), "images.parquet: cannot be read"),
    "a device": (replaced("attempts.parquet", lambda p: p.symlink_to("/dev/zero")), "attempts.parquet: cannot be read"),
    "a folder": (replaced("explanations.parquet", Path.mkdir), "explanations.parquet: cannot be read"),
    "fewer rows": (
        lambda root: (
            table("photos", lambda t: t.slice(1))(root),
            manifest("tables", "photos", "rows", value=9)(root),
            manifest("tables", "photos", "files", 0, "rows", value=9)(root),
        ),
        "rows where the manifest says",
    ),
    "fewer images": (
        lambda root: pq.write_table(pq.read_table(root / "images.parquet").slice(1), root / "images.parquet"),
        "rows where the manifest says",
    ),
    "a column less": (table("explanations", lambda t: t.drop_columns(["hits"])), "differ from the schema: hits"),
    "a column more": (table("explanations", lambda t: t.append_column("x", t["hits"])), "differ from the schema: x"),
    "other columns": (table("photos", lambda t: pa.table({"a": [1]})), "photos.parquet: columns differ"),
    "another type": (
        table("photos", lambda t: t.set_column(0, "photo_id", t["photo_id"].cast(pa.large_string()))),
        "differ from the schema: photo_id",
    ),
    "another order": (table("explanations", lambda t: t.select(t.column_names[::-1])), "their order"),
    "many photos": (table("photos", repeated), "photos.parquet: 300000 rows"),
    "many attempts": (table("attempts", repeated), "attempts.parquet: 300000 rows"),
    "many failures": (table("failures", repeated), "failures.parquet: 300000 rows"),
    "many explanations": (table("explanations", repeated), "explanations.parquet: 300000 rows"),
    "a long text": (column("photos", "name", first("x" * 2**21)), "photos.parquet: a text of more than"),
    "text that is not UTF-8": (table("photos", not_utf8), "photos.parquet: cannot be read"),
    "a photo twice": (column("photos", "photo_id", lambda ids: [ids[0]] * len(ids)), "a photo_id stands twice"),
    "a case twice": (column("attempts", "case_id", lambda ids: [ids[1], *ids[1:]]), "a case_id stands twice"),
    "a region twice": (column("attempts", "region_rank", lambda r: [r[1], *r[1:]]), "a region of a photo stands twice"),
    "attempts of no photo": (column("attempts", "photo_id", first("x")), "of a photo that `photos` lacks"),
    "a region of no pixels": (column("attempts", "region_pixels", first(0)), "region_pixels must lie between"),
    "a region too large": (column("attempts", "region_pixels", first(10**6)), "region_pixels must lie between"),
    "NaN": (column("attempts", "l2", first(float("nan"))), "attempts.parquet: l2 is not always a finite number"),
    "infinite": (column("photos", "clean_confidence", first(float("inf"))), "is not always a finite number"),
    "many controls": (table("controls", repeated), "controls.parquet: 300000 rows"),
    "controls of no case": (column("controls", "case_id", first("x")), "controls.parquet: of an explanation that the"),
    "a control of no kind": (column("controls", "control", first("x")), "controls.parquet: of an explanation that the"),
    "a control twice": (
        column("controls", "control", lambda c: [c[1], *c[1:]]),
        "controls.parquet: a row stands",
    ),
    "explanations of no case": (column("explanations", "case_id", first("x")), "a case or an explainer that the store"),
    "explanations of failed attempts": (
        column("attempts", "success", lambda found: [False] * len(found)),
        "a case or an explainer that the store lacks",
    ),
    "an unknown explainer": (column("explanations", "explainer", first("x")), "a case or an explainer that the store"),
    "an explanation twice": (column("explanations", "explainer", lambda e: [e[1], *e[1:]]), "stands twice"),
    "few counts": (column("explanations", "hits", first([1] * 19)), "explanations.parquet: hits has not always 20"),
    "negative hits": (column("explanations", "hits", first([-1] * 20)), "explanations.parquet: hits must lie between"),
    "more hits than pixels": (column("explanations", "hits", first([10**6] * 20)), "hits must lie between"),
    "more pixels than the image": (column("explanations", "pixels", first([10**6] * 20)), "hits must lie between"),
    "falling pixels": (column("controls", "hits", first([1] * 19 + [0])), "must not fall as n grows"),
    "many repeats": (table("repeats", repeated), "repeats.parquet: 300000 rows"),
    "a repeat twice": (column("repeats", "case_id", lambda c: [c[1], *c[1:]]), "repeats.parquet: a row stands twice"),
    "repeats of no case": (column("repeats", "case_id", first("x")), "repeats.parquet: of an explanation that the"),
    "a repeat of no number": (column("repeats", "repeat", first(0)), "repeats.parquet: of an explanation that the"),
    "many case_methods": (table("case_methods", repeated), "case_methods.parquet: 300000 rows"),
    "derived of no case": (column("case_methods", "case_id", first("x")), "case_methods.parquet: not each explanation"),
    "many case_lists": (table("case_lists", repeated), "case_lists.parquet: 300000 rows"),
    "many case_counts": (table("case_counts", repeated), "case_counts.parquet: 300000 rows"),
    "a list of no case": (column("case_lists", "case_id", first("x")), "case_lists.parquet: not each case once"),
    "a case's lists twice": (column("case_lists", "case_id", lambda c: [c[1], *c[1:]]), "not each case once"),
    "a short list": (column("case_lists", "best_jaccard", first([1.0])), "case_lists.parquet: not a value for each"),
    "NaN in a list": (
        column("case_lists", "spreads", first([float("nan")] * 4)),
        "case_lists.parquet: not always finite",
    ),
    **{f"many {n}": (table(n, repeated), f"{n}.parquet: 300000 rows") for n in PER_PHOTO},
    **{f"{n} of no photo": (column(n, "photo_id", first("x")), f"{n}.parquet: of a photo") for n in PER_PHOTO},
    **{f"{n} twice": (table(n, begun_again), f"{n}.parquet: a row stands twice") for n in PER_PHOTO},
    "fewer than no cases": (column("measure_sums", "massed", first(-1)), "massed must not be below zero"),
    "no such baseline": (column("baseline_sums", "baseline", first("x")), "baseline_sums.parquet: of a photo"),
    "many rank_counts": (table("rank_counts", repeated), "rank_counts.parquet: 300000 rows"),
}
HOSTILE = {f"manifest: {k}": v for k, v in MANIFEST.items()} | {f"table: {k}": v for k, v in TABLE.items()}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_store_is_refused_in_words(copy: Path, kind: str) -> None:
    edit, reason = HOSTILE[kind]
    edit(copy)
    with pytest.raises(InputError, match=reason) as refused:
        open_store(copy)
    said = str(refused.value)
    assert str(copy) in said
    assert "\n" not in said
    assert len(said) < 500
    with pytest.raises(InputError, match=reason):
        publish(copy)


@pytest.mark.parametrize("command", ["report", "show", "publish"])
@pytest.mark.parametrize("kind", ["manifest: deep", "table: a pipe", "table: few counts"])
def test_a_hostile_store_is_one_line_of_every_command(
    copy: Path, kind: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit, _ = HOSTILE[kind]
    edit(copy)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["wolfspider", command, str(copy)])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("wolfspider: ")
    assert said.err.count("\n") == 1


def test_a_table_that_unpacks_to_too_much_is_not_unpacked(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_UNPACKED", 100)
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"bytes in a file of .*no store needs that"):
        open_store(copy)


def test_a_table_that_needs_too_much_memory_is_said(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(opening._CONNECTION, "memory_limit", "300KB")
    with pytest.raises(InputError, match="the tables cannot be read"):
        open_store(copy).connect()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_anywhere_in_the_manifest_is_used_or_refused(made: Path, copy: Path, data: st.DataObject) -> None:
    whole = copies.deepcopy(json.loads((made / "manifest.json").read_text()))
    inner = whole
    while True:
        key = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        if not inner[key] or not isinstance(inner[key], dict | list) or data.draw(st.booleans()):
            break
        inner = inner[key]
    inner[key] = data.draw(JSON)
    (copy / "manifest.json").write_text(json.dumps(whole))
    try:
        report(open_store(copy)).as_json()
    except InputError as error:
        assert str(copy) in str(error)


RUN: dict[str, tuple[Edit, str]] = {
    "missing": (lambda root: (root / "run.json").unlink(), "missing"),
    "a pipe": (replaced("run.json", os.mkfifo), "not a regular file"),
    "a link": (lambda root: outside(root, "run.json"), "may lead outside"),
    "deep": (text("[" * 100_000, "run.json"), "not readable JSON"),
    "a list": (text("[]", "run.json"), "is no JSON object"),
    "empty": (text("{}", "run.json"), "lacks or garbles 'config'"),
}


@pytest.mark.parametrize("kind", RUN)
def test_a_hostile_run_is_refused_in_words(copy: Path, kind: str) -> None:
    (copy / "manifest.json").rename(copy / "run.json")
    edit, reason = RUN[kind]
    edit(copy)
    with pytest.raises(InputError, match=f"no sweep was started here.*{reason}"):
        publish(copy)


def test_every_table_has_its_rows() -> None:
    spoiled = {
        name for name in PUBLISHED for kind, (_, reason) in TABLE.items() if f"many {name}" == kind or name in reason
    }
    assert spoiled == set(PUBLISHED)
