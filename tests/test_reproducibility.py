"""Nothing but the configuration decides what a sweep stores, however it was interrupted, shared out or overtaken."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import interrupted
import pyarrow as pa
import pytest
import tiny
from PIL import Image

from compute import open_store
from compute.attacks import Attempt
from compute.errors import InputError
from compute.networks import engine
from compute.networks.classifier import Classifier
from compute.store.opening import Store
from compute.store.parts import Parts
from compute.store.tables.writing import Writer
from compute.sweep.run import publish
from compute.sweep.sweep import run_sweep

Process = Callable[..., multiprocessing.process.BaseProcess]


@pytest.fixture(scope="module")
def process() -> Process:
    """Starts a process that has imported everything, and has run nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["interrupted"])
    with pytest.MonkeyPatch.context() as patched:  # the server takes its path from the environment alone
        patched.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        forkserver.ensure_running()
    return context.Process


@pytest.mark.slow
def test_the_engine_changes_no_score(store: Store, tmp_path: Path) -> None:
    fast = tiny.published(tmp_path, engine="onnxruntime")
    assert fast.manifest["config"]["engine"] == "onnxruntime"
    assert tiny.rows(fast, "case_methods") == tiny.rows(store, "case_methods")


def test_the_order_of_photos_does_not_matter(store: Store, tmp_path: Path) -> None:
    backward = run_sweep(tiny.config(tmp_path), sources=tiny.sources(5)[::-1], classifier=tiny.classifier())
    assert backward is not None
    assert tiny.facts(backward) == tiny.facts(store)
    assert backward.manifest["config_hash"] == store.manifest["config_hash"]


def test_shards_joined_are_one_run(store: Store, tmp_path: Path) -> None:
    assert tiny.sweep(tmp_path, shard=(2, 2)) is None
    with pytest.raises(InputError, match="parts are missing"):
        publish(tmp_path)
    with pytest.raises(InputError, match="an unfinished sweep"):
        open_store(tmp_path)
    assert tiny.sweep(tmp_path, shard=(1, 2)) is None
    assert tiny.facts(publish(tmp_path)) == tiny.facts(store)


@pytest.mark.parametrize("table", ["photos", "explanations", "images", "case_methods"])
def test_two_publishers_at_once_leave_one_whole_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """The other publishes everything while this one is about to write a table."""
    for i in (1, 2):
        tiny.sweep(tmp_path, shard=(i, 2))
    write = Writer.write

    def overtaken(self: Writer, rows: pa.Table) -> None:
        if self.table == table and not (tmp_path / "manifest.json").exists():
            with monkeypatch.context() as plain:
                plain.setattr(Writer, "write", write)
                publish(tmp_path)
        write(self, rows)

    monkeypatch.setattr(Writer, "write", overtaken)
    found = publish(tmp_path)
    assert tiny.facts(found) == tiny.facts(store)
    assert found.damaged() == []


def test_another_seed_changes_what_is_drawn_and_nothing_else(store: Store, tmp_path: Path) -> None:
    other = tiny.facts(tiny.published(tmp_path, seed=1))
    first = tiny.facts(store)
    assert other["attempts"] == first["attempts"]
    kept = [tuple(map(str, row)) for row in other["case_methods"]]
    apart = {row[2] for row in first["case_methods"] if tuple(map(str, row)) not in kept}
    assert "random" in apart
    assert other["photos"] == first["photos"]


def test_a_case_does_not_depend_on_the_other_explainers(store: Store, tmp_path: Path) -> None:
    fewer = tiny.published(tmp_path, explainers=("lime", "random"))
    kept = [row for row in tiny.rows(store, "scores") if row[1] in {"lime", "random"}]
    assert tiny.rows(fewer, "scores") == kept


def test_a_finished_sweep_has_nothing_to_do(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny.published(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.is_file()}

    def never(*_: object, **__: object) -> Iterator[Attempt]:
        raise AssertionError("attacked again")

    monkeypatch.setattr("compute.sweep.attacking.attack", never)
    monkeypatch.setattr("compute.networks.engine.probabilities", never)
    again = tiny.published(tmp_path)
    assert again.manifest == first.manifest
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.is_file()} == before


def test_a_sweep_goes_on_with_the_engine_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.sweep(tmp_path, shard=(1, 2))
    monkeypatch.setattr(engine, "FASTER", {"cpu": ("compiled", 0)})  # what a newer version might choose
    assert tiny.published(tmp_path).manifest["config"]["engine"] == "eager"
    with pytest.raises(InputError, match="engine: 'eager' there, 'compiled' now"):
        tiny.sweep(tmp_path, engine="compiled")


def test_another_configuration_is_refused_in_words(store: Store, tmp_path: Path) -> None:
    tiny.sweep(tmp_path, shard=(1, 2))
    with pytest.raises(InputError, match=r"holds another configuration \(regions: 3 there, 2 now\); choose another"):
        tiny.sweep(tmp_path, regions=2)
    with pytest.raises(InputError, match="holds a run of other photos"):
        tiny.sweep(tmp_path, 4)
    with pytest.raises(InputError, match=r"holds another configuration \(seed: 0 there, 3 now\)"):
        tiny.sweep(store.path, seed=3)
    other = Classifier.of(tiny.network(), size=tiny.SIZE, classes=tiny.CLASSES, name="tiny")
    with pytest.raises(InputError, match="holds"):
        run_sweep(tiny.config(tmp_path), sources=tiny.sources(5), classifier=other)


KILLS = [
    ("begun", 1),
    ("file", 3),
    ("draft", 1),
    ("part", 2),
    ("file", 30),
    ("draft", 6),
    ("join", 3),
    ("manifest", 1),
]


@pytest.mark.parametrize(("point", "at"), KILLS)
def test_a_killed_sweep_goes_on_as_if_nothing_had_been(
    process: Process, store: Store, tmp_path: Path, point: str, at: int
) -> None:
    out = tmp_path / "store"
    child = process(target=interrupted.sweep_until, args=(out, point, at))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    if point != "manifest":
        with pytest.raises(InputError, match="an unfinished sweep"):
            open_store(out)
    finished = {path.parent.name for path in (out / "parts").glob("*/sums.json") if path.parent.name[0] != "."}
    kept: list[str] = []
    original = Parts.write

    def write(self: Parts, name: str, *args: Any) -> None:
        kept.append(name)
        original(self, name, *args)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Parts, "write", write)
        resumed = tiny.published(out)
    assert not set(kept) & finished  # what was finished is not done again
    assert tiny.facts(resumed) == tiny.facts(store)
    assert resumed.damaged() == []
    assert {path.name for path in out.iterdir()} == {path.name for path in store.path.iterdir()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_cleanly(process: Process, store: Store, tmp_path: Path, number: signal.Signals) -> None:
    """Even while an explainer is at work that would never end."""
    for source in tiny.sources(5):
        assert source.pixels is not None
        Image.fromarray(source.pixels).save(tmp_path / f"{source.name}.png")
    words = ["sweep", str(tmp_path), "--out", str(tmp_path / "store"), "--regions", "3", "--min-size", "40"]
    words += ["--lime-samples", "40", "--group", "2", "--device", "cpu", "--explainers", "saliency,endless"]
    busy = multiprocessing.get_context("forkserver").Event()
    child = process(target=interrupted.command, args=(tmp_path / "stderr", words, busy))
    child.start()
    assert busy.wait(120)
    assert child.pid is not None
    os.kill(child.pid, number)
    child.join(60)
    said = (tmp_path / "stderr").read_text()
    assert child.exitcode == 130
    assert said == "stopped; what is finished is kept, and the same command goes on from there\n"
    assert [path.name for path in (tmp_path / "store" / "parts").iterdir()] == ["attack-00000"]
