"""Sweeps shared by Ray's workers: the same store, whoever was killed; failures recorded, refusals in words."""

import importlib.metadata
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fatal
import pytest
import tiny
from bucket import Bucket
from conftest import Command

from compute.__main__ import STOPPED
from compute.errors import InputError, Notice
from compute.inputs.source import Source
from compute.store.opening import Store, open_store
from compute.store.parts import Parts
from compute.sweep import run
from compute.sweep.run import attack_part, explain_part
from compute.sweep.sweep import run_sweep
from compute.sweep.work import cluster
from compute.sweep.work.driver import Crew, _Hired
from compute.sweep.work.opening import found_of
from compute.sweep.work.todo import Todo, Unit
from compute.sweep.work.units import Counted, share, write_attacked
from compute.sweep.work.worker import Order, Place, Worker

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
EXPLAINERS = ("saliency", "lime", "random", "fatal:fatal")


def sources() -> list[Source]:
    return sorted(tiny.sources(5), key=lambda source: source.photo_id)


def shared(out: Path | str, **options: Any) -> Store:
    """A store of the tiny sweep by workers."""
    how = {name: options.pop(name) for name in ("workers", "ray") if name in options}
    config = tiny.config(out, explainers=EXPLAINERS, **options)
    found = run_sweep(config, sources=sources(), classifier=tiny.classifier(), **how)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store by one process."""
    return shared(tmp_path_factory.mktemp("alone") / "store")


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process that is killed at the end, if it is still there."""
    processes = []

    def start(code: str, **how: Any) -> subprocess.Popen[bytes]:
        processes.append(subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT, **how))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def until(true: Callable[[], bool]) -> None:
    """Wait for something, not for ever."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of Ray's, of two workers."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cluster, "CORES", 1)
        yield made.address
    made.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.slow
def test_killed_drivers_and_workers_leave_no_trace(
    alone: Store, in_folder: Path, address: str, started: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """The driver is killed while a worker is at work; the next driver loses a worker."""
    hangs = fatal.armed(in_folder, sources()[2], tiny.SIZE, "wait")
    driver = started("import test_cluster as t; from pathlib import Path; t.shared(Path('store'), workers=2)")
    until(lambda: hangs.read_text().startswith("waits"))
    worker = int(hangs.read_text().split()[-1])
    parts = Path("store/parts")
    until(lambda: len([*parts.glob("explain-*")]) == 4)
    driver.kill()
    until(lambda: not Path(f"/proc/{worker}").exists())  # it ends with its driver
    hangs.write_text("once")
    found = shared(Path("store"), ray=address)
    assert [*in_folder.iterdir()] == [in_folder / "store"]  # the worker was killed
    assert tiny.facts(found) == tiny.facts(alone)
    assert found.damaged() == []
    assert found.manifest["config_hash"] == alone.manifest["config_hash"]
    assert {path.name for path in found.path.iterdir()} == {path.name for path in alone.path.iterdir()}


@pytest.mark.slow
def test_workers_fill_a_bucket(alone: Store, s3: Bucket) -> None:
    code = "import test_cluster as t; t.shared('s3://bucket/shared', workers=2)"  # a process knows one cluster of Ray's
    subprocess.run([sys.executable, "-c", code], env={**ENVIRONMENT, **os.environ}, check=True, timeout=300)
    found = open_store("s3://bucket/shared")
    assert tiny.facts(found) == tiny.facts(alone)
    assert found.damaged() == []
    assert s3.names("shared") == {path.name for path in Path(str(alone.path)).iterdir()}


@pytest.mark.slow
def test_a_photo_that_kills_its_workers_is_a_recorded_failure(alone: Store, in_folder: Path, address: str) -> None:
    victim = sources()[2]
    fatal.armed(in_folder, victim, tiny.SIZE, "always")
    with pytest.warns(Notice, match=f"{victim.photo_id}: its worker died, 3 times: killed"):
        found = shared(Path("store"), ray=address, workers=1)
    assert found.manifest["device"]["threads"] == cluster.CORES
    with found.connect() as connection:
        failures = connection.execute("select stage, photo, reason from failures where reason like '%died%'").fetchall()
    assert failures == [
        ("explain", victim.photo_id, "its worker died, 3 times: killed, as by the system where memory runs out")
    ]
    facts, expected = tiny.facts(found), tiny.facts(alone)
    assert facts["attempts"] == expected["attempts"]
    others = [row for row in expected["explanations"] if not row[0].startswith(victim.photo_id)]
    assert facts["explanations"] == others
    assert 0 < len(others) < len(expected["explanations"])


@pytest.mark.slow
def test_what_a_worker_refuses_reaches_the_user(alone: Store, tmp_path: Path, address: str) -> None:
    tiny.sweep(tmp_path / "store", shard=(1, 2))
    with pytest.raises(InputError, match="holds another configuration"):
        shared(tmp_path / "store", ray=address, workers=1, seed=7)


@pytest.mark.slow
def test_ctrl_c_ends_all(tmp_path: Path, started: Callable[..., subprocess.Popen[bytes]]) -> None:
    code = """
import signal, time
from compute.__main__ import _stop
from compute.sweep.work.cluster import Share, connected
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, _stop)
with connected(None, Share(1, 1, 0)):
    print("connected", flush=True)
    time.sleep(600)
"""
    process = started(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, process_group=0)
    assert process.stdout is not None
    assert process.stdout.readline() == b"connected\n"
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    assert (process.returncode, said, complained) == (130, b"", STOPPED)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)  # nobody is left in its group


def test_without_ray_one_sentence_says_what_to_install(
    command: Command, in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for words in (("--workers", 2), ("--ray", "auto")):
        status, said, complained = command("sweep", *words)
        assert (status, said) == (2, "")
        assert complained == "wolfspider: --workers and --ray need Ray: pip install 'wolfspider[cluster]'\n"
    assert not (in_folder / "data").exists()


@pytest.mark.slow
def test_a_cluster_that_does_not_answer(command: Command, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "REACHED", 1)
    monkeypatch.setattr("ray._private.services.canonicalize_bootstrap_address", lambda _: None)
    for address, reason in (("127.0.0.1:1", "no cluster of Ray's answers there"), ("auto", "is part of no cluster")):
        status, said, complained = command("sweep", "--ray", address)
        assert (status, said) == (2, "")
        assert complained.startswith(f"wolfspider: --ray {address}: ")
        assert reason in complained
        assert complained.count("\n") == 1
    assert not (in_folder / "data").exists()


@pytest.mark.slow
def test_what_cannot_be_sent_is_refused(tmp_path: Path, address: str) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(InputError, match=r"cannot be sent to them \(Pickl"):
        own = replace(tiny.classifier(), name=file)  # type: ignore[arg-type]
        run_sweep(tiny.config(tmp_path / "store"), sources=sources(), classifier=own, ray=address)


def test_a_worker_with_other_versions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would round differently."""
    found, passed = found_of(tiny.config(tmp_path), sources())
    order = Order(tiny.config(tmp_path), found, passed, tiny.classifier(), 1)
    assert Worker(Path.cwd(), sys.path).open(lambda: order)
    monkeypatch.setattr(
        run, "version", lambda package: "9.9" if package == "torch" else importlib.metadata.version(package)
    )
    with pytest.raises(InputError, match=r"another environment \(torch: .* there, '?9\.9"):
        Worker(Path.cwd(), sys.path).open(lambda: order)


def test_a_group_attacked_photo_by_photo_is_the_same(alone: Store, tmp_path: Path) -> None:
    found, passed = found_of(tiny.config(tmp_path), sources())
    order = Order(tiny.config(tmp_path), found, [*passed, ("x", "no photo")], tiny.classifier(), 1)
    worker = Worker(Path.cwd(), sys.path)

    def told() -> Order:
        return order

    assert worker.open(told)[0].pid == os.getpid()
    group = [source.photo_id for source in found[:2]]
    worker.attack(told, 0, group)
    parts, tables = Parts(tmp_path), ("photos", "attempts", "images", "failures")
    together = {table: parts.read(attack_part(0), table) for table in tables}
    shutil.rmtree(tmp_path / "parts" / attack_part(0))
    write_attacked(parts, 0, [worker.alone(told, 0, [photo_id])[0] for photo_id in group], order.passed_over)
    assert {table: parts.read(attack_part(0), table) for table in tables} == together
    assert together["failures"][-1]["photo"] == "x"
    assert together["attempts"]


def _row(photo_id: str) -> dict[str, Any]:
    return {"stage": "attack", "photo": photo_id, "case_id": None, "explainer": None, "reason": "said"}


def test_of_a_group_that_kills_its_workers_only_the_photo_is_lost_that_does_alone(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    (tmp_path / "parts").mkdir()
    seen: list[tuple[str, float, int]] = []
    counted = Counted(lambda *told: seen.append(told), 3)
    todo = Todo(
        parts,
        share(["a", "b", "c"], 2, (1, 1)),
        together=2,
        workers=2,
        passed_over=[("d", "no photo")],
        counted=counted,
    )
    whole, single = todo.next(), todo.next()
    assert (whole, single) == (Unit("attack", 0, ("a", "b")), Unit("attack", 1, ("c",)))
    assert whole and single
    todo.lost(whole, "died")
    for photo_id in "ab":
        unit = todo.next()
        assert unit == Unit("alone", 0, (photo_id,))
        todo.done(unit, ({"failures": [_row("a")]}, {"attack": 1.0})) if photo_id == "a" else todo.lost(unit, "died")
    assert [(row["photo"], row["reason"]) for row in parts.read(attack_part(0), "failures")] == [
        ("a", "said"),
        ("b", "died"),
        ("d", "no photo"),
    ]
    unit = todo.next()
    assert unit == Unit("explain", 0, ("a", "b"))
    todo.lost(unit, "died")
    first, second = todo.next(), todo.next()
    assert (first, second) == (Unit("explain", 0, ("a",)), Unit("explain", 0, ("b",)))
    assert first and second
    todo.again(second)
    todo.lost(first, "died again")
    assert [row["reason"] for row in parts.read(explain_part("a"), "failures")] == ["died again"]
    assert todo.next() == second
    assert todo.next() is None
    todo.done(second, None)
    assert seen[-1] == ("explain", 2.0, 3)


def test_fewer_groups_than_workers_are_attacked_in_pieces(tmp_path: Path) -> None:
    parts = Parts(tmp_path)
    (tmp_path / "parts").mkdir()
    counted = Counted(lambda *told: None, 5)
    todo = Todo(
        parts, share(["a", "b", "c", "d", "e"], 5, (1, 1)), together=1, workers=2, passed_over=[], counted=counted
    )
    first, second = todo.next(), todo.next()
    assert (first, second) == (Unit("alone", 0, ("a", "b", "c")), Unit("alone", 0, ("d", "e")))
    assert todo.next() is None
    assert first and second
    todo.done(second, ({"failures": [_row("d"), _row("e")]}, {}))
    todo.lost(first, "died")
    for photo_id in "abc":
        unit = todo.next()
        assert unit == Unit("alone", 0, (photo_id,))
        assert not parts.done(attack_part(0))
        todo.done(unit, ({"failures": [_row(photo_id)]}, {}))
    assert [row["photo"] for row in parts.read(attack_part(0), "failures")] == [*"abcde"]
    assert todo.next() == Unit("explain", 0, ("a",))


def test_a_dead_worker_s_log_is_a_line() -> None:
    logs = cluster.Logs()
    assert logs.word(7) == ""
    logs.hear({"pid": 7, "lines": [":actor_name:Worker", "", "terminate called", "Fatal Python error: Aborted", "x"]})
    logs.hear({"pid": 8, "lines": ["no word", "the last one"]})
    assert logs.word(7) == "Fatal Python error: Aborted"
    assert logs.word(8) == "the last one"


def test_workers_with_other_devices_are_refused() -> None:
    hired = Crew.__new__(Crew)
    hired._devices = {"H100": "node1"}
    todo, worker = Todo.__new__(Todo), _Hired(actor=None)
    hired._settle(todo, worker, Place("node2", 7, "H100"))
    assert worker.pid == 7
    with pytest.raises(InputError, match=r"different devices \(H100 on node1, A100 on node3\)"):
        hired._settle(todo, worker, Place("node3", 8, "A100"))
