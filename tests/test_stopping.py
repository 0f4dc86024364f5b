"""Real processes, stopped at chosen moments or left by their readers: one line or none, and no traceback."""

import multiprocessing
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import tiny

from compute.__main__ import STOPPED
from compute.bench import end_with_parent
from compute.store.opening import Store, open_store

ROOT = Path(__file__).parent.parent
AT_A_MOMENT = """
import os, signal, sys

def watch(frame, event, _):
    if event == "call" and f"{frame.f_globals.get('__name__')}:{frame.f_code.co_name}" == os.environ["MOMENT"]:
        sys.setprofile(None)
        for number in os.environ["SIGNALS"].split():
            os.kill(os.getpid(), signal.Signals[number])

sys.setprofile(watch)
"""
"""Sends a process signals when it calls a function, or begins to import a module."""
MODULE = ["-m", "compute"]
_SCRIPT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["wolfspider"].split(":")
SCRIPT = ["-c", "import sys; from {0} import {1}; sys.exit({1}())".format(*_SCRIPT)]
"""What an installed `wolfspider` holds."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(AT_A_MOMENT)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [tmp_path / "site", ROOT, *sys.path]))}


@pytest.mark.parametrize(
    ("start", "module", "signals"),
    [
        (MODULE, "compute.cli", "SIGINT"),
        (SCRIPT, "compute.cli", "SIGTERM"),
        (SCRIPT, "rich.console", "SIGINT SIGINT SIGTERM"),
        (MODULE, "pydantic", "SIGTERM SIGTERM"),
        (SCRIPT, "numpy", "SIGINT SIGINT"),
        (MODULE, "pyarrow.parquet", "SIGTERM SIGINT"),
    ],
)
def test_a_signal_during_imports(environment: dict[str, str], start: list[str], module: str, signals: str) -> None:
    environment |= {"MOMENT": f"{module}:<module>", "SIGNALS": signals}
    words = [sys.executable, *start, "report", "."]
    ended = subprocess.run(words, check=False, env=environment, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", STOPPED)


@pytest.mark.parametrize("moment", ["torch:<module>", "torch.nn:<module>"])
def test_a_signal_before_a_sweep_has_begun(environment: dict[str, str], tmp_path: Path, moment: str) -> None:
    """On a terminal, where the cursor, which progress bars hide, must be back."""
    terminal, stderr = pty.openpty()
    environment |= {"MOMENT": moment, "SIGNALS": "SIGINT", "TERM": "xterm"}
    words = [sys.executable, *MODULE, "sweep", "--out", str(tmp_path / "store")]
    ended = subprocess.run(words, check=False, env=environment, stdout=subprocess.PIPE, stderr=stderr, timeout=60)
    os.close(stderr)
    said = os.read(terminal, 10_000).replace(b"\r\n", b"\n")
    os.close(terminal)
    assert (ended.returncode, ended.stdout) == (130, b"")
    assert said.endswith(b"\n\x1b[?25h" + STOPPED)
    assert said.count(b"\n") <= 3
    assert not (tmp_path / "store").exists()


MOMENTS = ["compute.store.parts:publish", "pyarrow.parquet.core:write_table", "compute.store.parts:discard"]


def test_a_signal_during_publishing(environment: dict[str, str], store: Store, tmp_path: Path) -> None:
    out = tmp_path / "store"
    for i in (1, 2, 3):
        tiny.sweep(out, shard=(i, 3))
    for moment in MOMENTS:
        environment |= {"MOMENT": moment, "SIGNALS": "SIGTERM SIGTERM"}
        words = [sys.executable, *MODULE, "publish", str(out)]
        ended = subprocess.run(words, check=False, env=environment, capture_output=True, timeout=60)
        assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", STOPPED), moment
    del environment["MOMENT"], environment["SIGNALS"]
    assert open_store(out).damaged() == []
    assert tiny.facts(open_store(out)) == tiny.facts(store)


fork = multiprocessing.get_context("fork")


def _child() -> None:
    end_with_parent()
    time.sleep(600)


def _parent() -> None:
    fork.Process(target=_child).start()
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_benchmark_s_process_ends_with_its_parent() -> None:
    alive, held = os.pipe()
    parent = fork.Process(target=_parent)
    parent.start()
    os.close(held)
    parent.join(30)
    assert parent.exitcode == -signal.SIGKILL
    ended, _, _ = select.select([alive], [], [], 30)  # at its end once nobody holds the other one
    assert ended
    os.close(alive)


@pytest.mark.parametrize("words", [["report"], ["report", "--json"], ["show"], ["publish"]], ids=" ".join)
def test_a_reader_that_has_left_is_no_error(store: Store, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, *MODULE, *words, str(store.path)]
    ended = subprocess.run(command, check=False, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_full_disk_is_one_line(store: Store) -> None:
    command = [sys.executable, *MODULE, "report", str(store.path)]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (ended.returncode, ended.stderr) == (2, b"wolfspider: [Errno 28] No space left on device\n")


def test_letters_that_a_terminal_does_not_have(store: Store, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(str(store.path), tmp_path / "naïve"))
    command = [sys.executable, *MODULE, "report", str(copy)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "1"}
    ended = subprocess.run(command, check=False, env=environment, capture_output=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"na\\xefve" in ended.stdout
