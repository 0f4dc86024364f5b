"""The guard around explainers from outside: whatever they do, others say the same, and the record says what it was."""

import contextlib
import copy
import dataclasses
import gc
import os
import random
import re
import signal
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from captum.attr import GuidedBackprop
from meddlers import MEDDLERS, conv
from torch import nn

from compute.errors import InputError, Notice
from compute.explainers import EXPLAINERS, Explainer, Task
from compute.explainers.guard import Failed, Guard
from compute.networks.classifier import Classifier
from compute.scoring.presentations import Method
from compute.sweep.asking import Asking, Case
from compute.sweep.explaining import Explained, Explaining
from compute.sweep.turns import Turns

OURS = ("saliency", "guided_backprop", "lime")


def state() -> list[Any]:
    """Surroundings, for comparison."""
    return [
        random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist(), Path.cwd(), dict(os.environ),
        list(sys.path), sys.modules["torch"], np.geterr(), list(warnings.filters), warnings.showwarning, sys.stdout,
        sys.stderr, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGALRM), sys.getrecursionlimit(),
        gc.isenabled(), signal.getitimer(signal.ITIMER_REAL),
    ]  # fmt: skip


def explaining(classifier: Classifier, explain: Callable[[Task], Any] | None, **more: Any) -> Explaining:
    """The stage with our explainers, and one from outside."""
    network = classifier.network

    def probabilities(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = network(images).softmax(dim=1)
            return found

    explainers = [EXPLAINERS[name] for name in OURS]
    if explain is not None:
        explainers.insert(0, Explainer("meddler", explain, outside=True))
    guard = Guard(network, classifier.example(), probabilities)
    methods = [Method(explainer) for explainer in explainers]
    asking = Asking(network, probabilities, 16, 40, 0, Turns(), guard, **more)
    return Explaining(methods, asking, 8.0, causal=False, controls=())


def case() -> Case:
    rgb = tiny.photo(3, tiny.SIZE, tiny.SIZE)
    return Case("a-r01", "a", rgb, np.tri(tiny.SIZE, dtype=bool), tiny.TARGET, rgb, 0)


def by_ours(found: Explained) -> list[Any]:
    """What our explainers said."""
    rows = [{**row, "seconds": 0} for row in found.rows["explanations"]]
    images = [row for row in found.rows["images"] if row["kind"] != "entry:meddler"]
    return [row for row in rows if row["explainer"] != "meddler"] + images


@pytest.fixture(scope="module")
def alone(classifier: Classifier) -> list[Any]:
    """What our explainers say without anybody else."""
    return by_ours(explaining(classifier, None).explain(case(), {}))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # a thread that was ended
@pytest.mark.parametrize("name", MEDDLERS)
def test_whatever_an_explainer_does_the_others_say_the_same(
    classifier: Classifier, alone: list[Any], in_folder: Path, name: str
) -> None:
    meddle, reason = MEDDLERS[name]

    def explain(task: Task) -> Any:
        meddle(task)
        return np.ones(task.rgb.shape[:2])

    stage, before = explaining(classifier, explain), state()
    for _ in range(2):
        found = stage.explain(case(), {})
        assert state() == before
        assert by_ours(found) == alone
        failures = [row["reason"] for row in found.rows["failures"]]
        assert len(failures) == (reason is not None)
        if reason is not None:
            assert re.search(reason, failures[0])


def guard_of(network: nn.Module) -> Guard:
    def probabilities(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = network(images).softmax(dim=1)
            return found

    return Guard(network, torch.rand(2, 3, tiny.SIZE, tiny.SIZE), probabilities)


@pytest.fixture(scope="module")
def guard(classifier: Classifier) -> Guard:
    return guard_of(classifier.network)


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


class _Falsy(BaseException):
    def __bool__(self) -> bool:
        raise AssertionError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no idea"), "ValueError: no idea"),
        (ValueError(), "ValueError"),
        (_Unprintable(), "_Unprintable: its message cannot be printed"),
        (_Falsy("x"), "_Falsy: x"),
        (SystemExit(0), "SystemExit: 0"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (MemoryError(), "MemoryError"),
        (torch.OutOfMemoryError("CUDA out of memory"), "OutOfMemoryError: CUDA out of memory"),
        (ValueError("two\nlines\x1b[31m\0 \ud800."), r"ValueError: two lines\x1b[31m\x00 \ud800."),
        (ValueError("long" * 10_000_000), "ValueError: " + "long" * 121 + "l" + "..."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_is_raised_is_a_reason_in_one_line(guard: Guard, error: BaseException, reason: str) -> None:
    def explain() -> None:
        raise error

    with pytest.raises(Failed) as failed:
        guard.call("x", explain)
    assert str(failed.value) == reason
    assert len(reason) <= 500


def endless() -> None:
    while True:
        pass


def swallowing() -> None:
    while True:
        try:
            while True:
                pass
        except Exception:
            pass


def stubborn() -> None:
    """Swallows everything, but not for ever."""
    for _ in range(3):
        with contextlib.suppress(BaseException):
            endless()


def waiting() -> None:
    time.sleep(600)


@pytest.mark.parametrize("explain", [endless, swallowing, stubborn, waiting])
def test_an_explainer_that_does_not_end_in_time_has_failed(guard: Guard, explain: Callable[[], None]) -> None:
    with pytest.raises(Failed, match=r"^it was not done after 0\.05 s$"):
        guard.call("x", explain, seconds=0.05)
    assert guard.call("x", lambda: 1, seconds=30) == 1


def in_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1, thread_name_prefix="wolfspider") as pool:
        return pool.submit(function).result(60)


@pytest.mark.parametrize("explain", [endless, swallowing, stubborn])
def test_a_time_limit_holds_in_other_threads_too(guard: Guard, explain: Callable[[], None]) -> None:
    with pytest.raises(Failed, match=r"^it was not done after 0\.05 s$"):
        in_thread(lambda: guard.call("x", explain, seconds=0.05))
    assert in_thread(lambda: guard.call("x", lambda: 1, seconds=30)) == 1


def test_a_sweep_that_is_stopped_ends_explainers_in_other_threads(guard: Guard) -> None:
    with pytest.raises(KeyboardInterrupt):
        in_thread(lambda: guard.call("x", swallowing, stopped=lambda: True))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("explain", [lambda: None, endless, swallowing, stubborn, waiting, sys.exit])
def test_ctrl_c_is_the_user_s_whatever_an_explainer_does_with_it(
    guard: Guard, explain: Callable[[], None], number: signal.Signals
) -> None:
    def interrupted() -> None:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            explain()

    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            guard.call("x", interrupted)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)


def test_what_an_explainer_prints_is_said_once_and_not_shown(
    classifier: Classifier, capfd: pytest.CaptureFixture[str]
) -> None:
    def explain() -> None:
        for _ in range(1000):
            print("flood\x1b[31m", flush=True)
            sys.stderr.write("flood")

    guard = guard_of(classifier.network)
    with pytest.warns(Notice, match=r"^chatty prints, which is not shown: 'flood.*' \(16,000 characters\)$"):
        guard.call("chatty", explain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        guard.call("chatty", explain)
    with pytest.raises(Failed, match="EOFError"):
        guard.call("asks", input)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name in EXPLAINERS if name != "attention_rollout"])
def test_our_own_explainers_leave_nothing_behind(guard: Guard, classifier: Classifier, name: str) -> None:
    task = tiny.task(of=classifier, lime_samples=40)
    guard.call(name, lambda: EXPLAINERS[name].explain(dataclasses.replace(task, photo=task.rgb)))


def test_whoever_tidies_up_has_not_failed(guard: Guard, classifier: Classifier) -> None:
    """Hooks for a while, copies of the network and of settings, gradients: what libraries do."""

    def explain() -> None:
        task = tiny.task(of=classifier)
        GuidedBackprop(copy.deepcopy(task.network)).attribute(task.image.requires_grad_(), target=0)
        GuidedBackprop(task.network).attribute(task.image.requires_grad_(), target=0)
        with torch.no_grad(), warnings.catch_warnings(), conv(task).register_forward_hook(lambda *_: None):
            warnings.simplefilter("ignore")
            task.network(task.image)
        conv(task).stride = tuple(map(int, conv(task).stride))
        with conv(task).register_full_backward_hook(lambda *_: None):
            task.network(task.image.requires_grad_())[0, 0].backward()

    guard.call("tidy", explain)


class _Remembering(nn.Module):
    """Keeps its last activation, and counts its passes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.passes = tiny.network(), 0
        self.last = torch.zeros(0)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last, self.passes = x, self.passes + 1
        self.get_buffer("seen").add_(1)
        found: torch.Tensor = self.body(x)
        return found


def test_what_a_network_changes_in_itself_is_no_explainer_s_doing() -> None:
    network = _Remembering().eval().requires_grad_(False)
    guard = guard_of(network)
    guard.call("x", lambda: network(torch.rand(1, 3, tiny.SIZE, tiny.SIZE)))
    with pytest.raises(Failed, match="it changed training of the network"):
        guard.call("x", network.train)


def test_torchscript_is_watched_too() -> None:
    network = torch.jit.trace(  # type: ignore[no-untyped-call]
        tiny.network().requires_grad_(False), torch.rand(1, 3, tiny.SIZE, tiny.SIZE)
    )
    guard, x = guard_of(network), tiny.images(range(2))
    before = network(x)
    guard.call("x", lambda: network(x))
    with pytest.raises(Failed, match=r"changed values of 0\.weight"):
        guard.call("x", lambda: network.get_parameter("0.weight").mul_(2))
    assert torch.equal(network(x), before)


def test_settings_around_a_sweep_are_no_explainer_s_doing(guard: Guard) -> None:
    with torch.no_grad():
        assert guard.call("x", torch.is_grad_enabled)
        assert not torch.is_grad_enabled()
    torch.set_default_dtype(torch.float64)
    try:
        assert guard.call("x", torch.get_default_dtype) == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_cannot_be_mended_ends_the_sweep(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch, in_folder: Path
) -> None:
    stage = explaining(classifier, lambda task: task.network.train())
    with monkeypatch.context() as patched:
        patched.setattr("compute.explainers.guard.Watched.restore", lambda self: None)
        with pytest.raises(InputError, match="--explainers meddler: changed what cannot be changed back: training"):
            stage.explain(case(), {})
    classifier.network.eval()
