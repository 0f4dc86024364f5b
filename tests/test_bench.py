"""The benchmark measures what it says, on a network of milliseconds."""

import json
import sys

import numpy as np
import pytest
import tiny
from rich.console import Console

from compute.attacks import Job
from compute.bench import bench, each
from compute.bench.limit import Rates
from compute.bench.ours import Swept, same_superpixels
from compute.bench.table import as_table
from compute.explainers.perturbation.samples import superpixels
from compute.inputs.regions import Region
from compute.networks import classifiers
from compute.networks.classifiers import Recipe
from compute.scoring.entry import entry_of_superpixels
from compute.sweep.asking import Case
from compute.sweep.config import Config


@pytest.fixture
def glances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates by looks that are short, since no test holds them against anything."""
    monkeypatch.setattr(sys.modules[Rates.__module__], "GLANCE", 0.02)
    monkeypatch.setattr(sys.modules[Rates.__module__], "LOOK", 0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("glances")
def test_bench_compares_with_the_limit_and_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(tiny.network, lambda network: network.state_dict(), tiny.SIZE, (0.5,) * 3, (0.25,) * 3)
    monkeypatch.setitem(classifiers.CLASSIFIERS, "tiny", lambda: recipe)
    config = Config(classifier="tiny", regions=1, lime_samples=20, batch=4, min_size=40, target="2")
    found = bench(config, untrained=False, rounds=1)
    assert json.loads(json.dumps(found)) == found
    for key in (
        "limit_images_per_s",
        "lime_over_limit",
        "sweep_efficiency",
        "speedup_over_loop",
        "attack_over_limit",
        "guard_s",
    ):
        assert found[key] > 0
    assert found["same_superpixels"]
    assert found["cases"] <= found["attempts"]
    console = Console(record=True, width=120)
    console.print(as_table(found))
    assert "faster than the user's own loop" in console.export_text()


def test_passes_are_timed_at_the_limit() -> None:
    swept = Swept(seconds=9.0, stages={}, gradients=40, explained=3, attempts=[], entries={})
    found = swept.stages_at(Rates(forward=10, backward=4), Config(lime_samples=20))
    assert found == {"attack": 10, "lime": 6, "saliency": 0.75, "guided_backprop": 0.75}


def test_superpixels_in_another_order_are_noticed() -> None:
    rgb = tiny.photo(3, tiny.SIZE, tiny.SIZE)
    case = Case("a", "b", rgb, np.zeros(rgb.shape[:2], dtype=bool), 0, rgb, 1)
    job = Job("a", "b", rgb, Region(rank=1, segment=0, mask=case.region), 0)
    entries = {"a": entry_of_superpixels(superpixels(rgb), [0, 1, 2])}
    swept = Swept(seconds=9.0, stages={}, gradients=40, explained=3, attempts=[(job, case)], entries=entries)
    assert same_superpixels(swept, {"a": [0, 1, 2]})
    assert not same_superpixels(swept, {"a": [0, 2, 1]})


@pytest.mark.slow
@pytest.mark.usefixtures("glances")
def test_each_explainer_is_held_against_its_own_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(tiny.network, lambda network: network.state_dict(), tiny.SIZE, (0.5,) * 3, (0.25,) * 3)
    monkeypatch.setitem(classifiers.CLASSIFIERS, "tiny", lambda: recipe)
    names = ("lime", "saliency", "saliency@smooth", "attention_rollout", "texture")
    config = Config(
        classifier="tiny", regions=1, lime_samples=20, min_size=40, target="2", explainers=names, confidence=0
    )
    rows = {row["explainer"]: row for row in each.each(config)}
    assert list(rows) == [each.PREPARED, "lime", "saliency", "attention_rollout", "texture", "all that pass"]
    passing = [rows[name]["seconds"] for name in (each.PREPARED, "lime", "saliency")]
    assert rows["all that pass"]["seconds"] == pytest.approx(sum(passing))
    assert (rows["lime"]["passes"], rows["lime"]["gradients"]) == (20, 0)
    assert (rows["saliency"]["passes"], rows["saliency"]["gradients"]) == (1, 1)
    assert rows["texture"]["ratio"] is None
    assert "transformer" in rows["attention_rollout"]["reason"]
    assert rows["all that pass"]["ratio"] > 0
    console = Console(record=True, width=120)
    console.print(each.as_table(list(rows.values())))
    assert "all that pass" in console.export_text()
