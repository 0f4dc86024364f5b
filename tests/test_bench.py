"""The benchmark measures what it says, on a network of milliseconds."""

import json

import pytest
import tiny
from rich.console import Console
from torch import nn

from compute import classifiers
from compute.bench import as_table, bench
from compute.classifiers import Recipe
from compute.config import Config
from compute.limit import Counting, Limit


@pytest.mark.slow
def test_bench_compares_with_the_limit_and_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(tiny.network, lambda network: network.state_dict(), tiny.SIZE, (0.5,) * 3, (0.25,) * 3)
    monkeypatch.setitem(classifiers.CLASSIFIERS, "tiny", lambda: recipe)
    config = Config(classifier="tiny", regions=1, lime_samples=20, batch=4, min_size=40, target="2")
    found = bench(config, untrained=False, rounds=1, cases=1)
    assert json.loads(json.dumps(found)) == found
    for key in ("limit_images_per_s", "lime_over_limit", "sweep_efficiency", "speedup_over_loop", "attack_over_limit"):
        assert found[key] > 0
    assert found["same_superpixels"]
    console = Console(record=True, width=100)
    console.print(as_table(found))
    assert "faster than the user's own loop" in console.export_text()


def test_counted_passes_are_timed_at_the_limit() -> None:
    counting = Counting(nn.Flatten())
    x = tiny.images(range(4))
    counting(x)
    counting(x.requires_grad_())
    limit = Limit(forward=8, forward_batch=4, backward=2, backward_batch=4, rates={})
    assert counting.seconds_at(limit) == 4 / 8 + 4 / 2
