"""A target of its own for each photo: drawn from the seed and the photo alone, never its own class."""

from collections import Counter
from pathlib import Path

import pytest
import tiny
from conftest import Command
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from compute.explainers import EXPLAINERS, Explainer, Explanation, Task
from compute.store.opening import Store
from compute.sweep.attacking import aimed_at
from compute.sweep.sweep import run_sweep

QUICK = {"explainers": ("random",), "causal": "none", "controls": "none"}


def targets(store: Store) -> dict[str, int]:
    """Target by photo."""
    with store.connect() as connection:
        return dict(connection.execute("select photo_id, target_index from photos").fetchall())


@given(st.integers(0, 2**32 - 1), st.integers(2, 1000), st.text(), st.data())
def test_a_drawn_target_is_another_class(seed: int, classes: int, photo_id: str, data: st.DataObject) -> None:
    own = data.draw(st.integers(0, classes - 1))
    found = aimed_at(None, seed, classes, photo_id, own)
    assert 0 <= found < classes
    assert found != own
    assert found == aimed_at(None, seed, classes, photo_id, own)
    assert aimed_at(3, seed, classes, photo_id, own) == 3


def test_every_other_class_is_drawn_alike() -> None:
    drawn = Counter(aimed_at(None, 1, 6, f"photo {i}", own=2) for i in range(5000))
    assert set(drawn) == {0, 1, 3, 4, 5}
    assert min(drawn.values()) > 880


def test_targets_follow_from_the_seed_and_the_photo_alone(tmp_path: Path) -> None:
    store = tiny.published(tmp_path / "a", 8, target="random", **QUICK)
    found = targets(store)
    assert len(set(found.values())) > 2
    backwards = tiny.config(tmp_path / "b", target="random", group=5, **QUICK)
    other = run_sweep(backwards, sources=tiny.sources(8)[::-1], classifier=tiny.classifier())
    assert other is not None
    assert targets(other) == found
    assert targets(tiny.published(tmp_path / "c", 8, target="random", seed=1, **QUICK)) != found


def test_cases_are_attacked_and_explained_for_the_photos_own_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    saliency = EXPLAINERS["saliency"].explain

    def watching(task: Task) -> Explanation:
        asked.append(task.target)
        return saliency(task)

    monkeypatch.setitem(EXPLAINERS, "saliency", Explainer("saliency", watching))
    store = tiny.published(tmp_path, 6, target="random", explainers=("saliency",), controls="none")
    with store.connect() as connection:
        rows = connection.execute(
            "select target_index, target_class, final_index, final_class, clean_index from cases order by case_id"
        ).fetchall()
        assert connection.execute("from failures").fetchall() == []  # no photo is already its target
    assert Counter(asked) == Counter(target for target, *_ in rows)
    assert len(set(asked)) > 1
    for target, name, final, final_name, own in rows:
        assert (target, name) == (final, final_name)
        assert own != target
        assert name == tiny.CLASSES[target]
    assert store.manifest["target"] == {"index": None, "name": "random"}


def test_a_named_target_is_that_of_every_photo(store: Store) -> None:
    assert set(targets(store).values()) == {tiny.TARGET}


def test_the_command_tells_of_random_targets(command: Command, tmp_path: Path) -> None:
    Image.fromarray(tiny.photo(1)).save(tmp_path / "a.png")
    words = ("--target", "random", "--regions", 1, "--min-size", 40, "--explainers", "random", "--device", "cpu")
    status, said, _ = command("sweep", tmp_path / "a.png", *words, "--out", tmp_path / "store")
    assert status == 0
    assert "target random" in said
    assert "random, one for each photo" in command("show", tmp_path / "store")[1]
