"""A user's own explainer, as the README shows it: a function or a class, a map or superpixels."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch

from compute.errors import InputError, Notice
from compute.explainers import resolve
from compute.store.opening import Store

OURS = ("saliency", "guided_backprop", "lime")
MODULE = '''
import numpy as np
import torch
from compute import Superpixels


def times_input(task):
    """A map of priorities, (H, W): gradient times input."""
    image = task.image.requires_grad_()
    with torch.enable_grad():
        task.network(image)[0, task.target].backward()
    return (image.grad * image)[0].sum(0).detach().cpu().numpy()


class Squares:
    """Ranked superpixels: squares, best first, by what hiding them does to the target's probability."""

    def __init__(self, side=16):
        self.side = side

    def __call__(self, task):
        height, width = task.rgb.shape[:2]
        rows, columns = np.arange(height) // self.side, np.arange(width) // self.side
        squares = rows[:, None] * (columns[-1] + 1) + columns[None, :]
        effect = []
        for label in range(squares.max() + 1):
            hidden = task.image * torch.from_numpy(squares != label).to(task.device)
            effect.append(float(task.probabilities(hidden)[0, task.target]))
        return Superpixels(squares, np.argsort(effect)[:8].tolist(), {"squares": len(effect)})
'''


@pytest.fixture
def module(in_folder: Path) -> Iterator[str]:
    """A module of a user in the current directory, as it is found there by the command."""
    (in_folder / "mine_for_test.py").write_text(MODULE)
    path = list(sys.path)
    yield "mine_for_test"
    sys.path[:] = path
    sys.modules.pop("mine_for_test", None)


def test_own_explainers_take_part(module: str, tmp_path: Path) -> None:
    names = ("saliency", f"{module}:times_input", f"{module}:Squares", "random")
    store: Store = tiny.published(tmp_path / "store", 3, explainers=names)
    with store.connect() as connection:
        ((cases,),) = connection.execute("select count(*) from cases").fetchall()
        scores = dict(connection.execute("select explainer, count(*) from scores group by 1").fetchall())
        ranks = connection.execute("select distinct explainer from ranks order by 1").fetchall()
        squares = connection.execute(
            """select n, max(pixels) from scores where explainer = 'Squares' group by n order by n"""
        ).fetchall()
        diagnostics = connection.execute(
            "select distinct diagnostics from explanations where explainer = 'Squares'"
        ).fetchall()
        failures = connection.execute("from failures where stage = 'explain'").fetchall()
    assert not failures
    assert scores == dict.fromkeys(("saliency", "times_input", "Squares", "random"), 20 * cases)
    assert ranks == [("Squares",), ("saliency",), ("times_input",)]
    assert squares == [(n, min(n, 8) * 16 * 16) for n in range(1, 21)]  # whole squares, and no more after the eighth
    assert diagnostics == [('{"squares": 16}',)]
    code = hashlib.sha256(MODULE.encode()).hexdigest()
    assert store.manifest["explainers"][1] == {
        "name": "times_input", "explainer": "times_input", "presentation": "", "baseline": False, "code": code,
    }  # fmt: skip


def test_a_name_of_ours_is_refused(module: str, in_folder: Path) -> None:
    (in_folder / f"{module}.py").write_text("def lime(task): ...")
    with pytest.raises(InputError, match="lime is the name of an explainer of ours"):
        resolve([f"{module}:lime"])


def test_functions_and_classes_are_named_as_they_are(module: str) -> None:
    assert [e.name for e in resolve([f"{module}:Squares", f"{module}:times_input"])] == ["Squares", "times_input"]


HOOKED = """
import os
import numpy as np
import torch

os.chdir("/")
torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def hooked(task):
    os.chdir("/")
    task.network.register_forward_hook(lambda module, inputs, output: -output)
    return np.ones(task.rgb.shape[:2])


def flat(task):
    return np.ones(task.rgb.shape[:2])
"""


def test_an_explainer_that_meddles_is_recorded_and_the_store_is_the_others_as_without(
    module: str, in_folder: Path
) -> None:
    (in_folder / f"{module}.py").write_text(HOOKED)
    torch.manual_seed(5)
    with pytest.warns(Notice, match="its import changed torch's default dtype.* which was changed back"):
        store = tiny.published(Path("store"), 2, explainers=(f"{module}:hooked", *OURS, f"{module}:flat"))
    assert torch.initial_seed() == 5
    assert store.path.resolve().parent == in_folder
    alone = tiny.published(Path("alone"), 2, explainers=OURS)
    with store.connect() as connection:
        failures = connection.execute(
            "select distinct explainer, reason from failures where stage = 'explain'"
        ).fetchall()
        diagnostics = connection.execute("select distinct diagnostics from explanations where explainer = 'flat'")
        note = "all priorities are equal: the pixels were chosen at random"
        assert diagnostics.fetchall() == [(f'{{"note": "{note}"}}',)]
    assert failures == [("hooked", "it changed forward hooks of the network")]
    assert [row for row in tiny.rows(store, "explanations") if row[1] in OURS] == tiny.rows(alone, "explanations")


def test_a_time_limit_is_no_part_of_what_a_sweep_is(module: str, in_folder: Path) -> None:
    """One that hangs goes on with a limit where it was stopped."""
    (in_folder / f"{module}.py").write_text("def hangs(task):\n    while True:\n        pass\n")
    names = ("random", f"{module}:hangs")
    tiny.sweep(in_folder / "store", 2, shard=(2, 2), explainers=names)  # claims the folder: there is no second group
    store = tiny.published(in_folder / "store", 2, explainers=names, time_limit=0.01)
    with store.connect() as connection:
        reasons = connection.execute("select distinct reason from failures where stage = 'explain'").fetchall()
    assert reasons == [("it was not done after 0.01 s",)]
