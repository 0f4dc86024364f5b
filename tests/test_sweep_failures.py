"""What cannot be used, explained or written is said, and the rest of a sweep goes on."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from PIL import Image
from torch import nn

from compute.errors import InputError, Notice
from compute.explainers import EXPLAINERS, Explainer, Superpixels, Task
from compute.networks import classifiers
from compute.networks.classifier import Classifier
from compute.store import durable
from compute.store.opening import Store
from compute.store.parts import Parts
from compute.sweep.run import publish
from compute.sweep.sweep import run_sweep


def select(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.connect() as connection:
        return connection.execute(query).fetchall()


def test_bad_photos_are_recorded_and_the_rest_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "a").mkdir(parents=True)
    Image.fromarray(tiny.photo(1)).save(folder / "good.png")
    Image.fromarray(tiny.photo(2)).save(folder / "a" / "good.png")
    Image.fromarray(tiny.photo(1)).save(folder / "again.png")
    Image.fromarray(tiny.photo(3)[:20, :20]).save(folder / "small.png")
    (folder / "text.jpg").write_text("not a picture")
    store = run_sweep(tiny.config(tmp_path / "store", photos=(str(folder),)), classifier=tiny.classifier())
    assert store is not None
    assert [name for (name,) in select(store, "select name from photos")] == ["again.png", "good.png"]
    assert len(select(store, "select distinct photo_id from cases")) == 2
    failures = {Path(photo).name: (stage, reason) for stage, photo, _, _, reason in tiny.rows(store, "failures")}
    assert set(failures) == {"good.png", "small.png", "text.jpg"}
    assert failures["good.png"][1].startswith("the same photo as")
    assert failures["small.png"] == ("photo", "20 x 20 pixels: the shorter side must have at least 64")
    assert failures["text.jpg"][1].startswith("not a readable image")


def test_no_usable_photo_at_all_is_a_store_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    config = tiny.config(tmp_path / "store", photos=(str(tmp_path / "text.jpg"),))
    store = run_sweep(config, classifier=tiny.classifier())
    assert store is not None
    assert select(store, "select count(*) from attempts") == [(0,)]
    assert len(tiny.rows(store, "failures")) == 1


def test_fewer_regions_than_asked_for_are_all_attacked(tmp_path: Path) -> None:
    """Here two, drawn by hand."""
    rgb = tiny.photo(3, 80, 80)
    Image.fromarray(rgb).save(tmp_path / "a.png")
    labels = np.full((80, 80), 7, np.uint8)
    labels[:, :30] = 200
    Image.fromarray(labels).save(tmp_path / "a.regions.png")
    config = tiny.config(tmp_path / "store", photos=(str(tmp_path / "a.png"),), regions=10)
    store = run_sweep(config, classifier=tiny.classifier())
    assert store is not None
    assert select(store, "select region_rank, segment, region_pixels from attempts order by 1") == [
        (1, 7, 64 * 40), (2, 200, 64 * 24),
    ]  # fmt: skip
    assert select(store, "select segments, hand_drawn from photos") == [(2, True)]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"target": "wolf spidre"}, "did you mean 'wolf spider'"),
        ({"target": "6"}, "tiny has the classes 0 to 5"),
        ({"explainers": ("lime", "nothing")}, "--explainers nothing: unknown"),
        ({"algorithm": "fgsm"}, "--algorithm fgsm: unknown; known are bim, momentum, smallest"),
        ({"device": "tpu"}, "--device tpu"),
    ],
)
def test_options_are_checked_before_the_folder_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(classifiers, "load", lambda *_, **__: tiny.classifier())
    with pytest.raises(InputError, match=reason):
        run_sweep(tiny.config(tmp_path / "store", **options), sources=tiny.sources(1))
    assert not (tmp_path / "store").exists()


def test_an_unknown_classifier_is_refused_before_the_folder_is_claimed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--classifier resnet19: unknown"):
        run_sweep(tiny.config(tmp_path / "store", classifier="resnet19"), sources=tiny.sources(1))
    assert not (tmp_path / "store").exists()


def _raises(task: Task) -> Any:
    raise RuntimeError("no idea\nand a second line")


FAULTS: dict[str, tuple[Callable[[Task], Any], str]] = {
    "raises": (_raises, "RuntimeError: no idea"),
    "nan": (lambda task: np.full(task.rgb.shape[:2], np.nan), "ValueError: priorities must be finite"),
    "shape": (lambda task: np.zeros((3, 3)), r"ValueError: priorities of shape (3, 3)"),
    "nothing": (lambda task: None, "ValueError: priorities of shape ()"),
    "unknown superpixel": (
        lambda task: Superpixels(np.zeros(task.rgb.shape[:2], int), [5]),
        "ValueError: ranked superpixel 5 is not in the segments",
    ),
    "diagnostics": (
        lambda task: Superpixels(np.zeros(task.rgb.shape[:2], int), [0], {"network": task.network}),
        "TypeError: ",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_explainer_that_fails_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    explain, reason = FAULTS[fault]
    monkeypatch.setitem(EXPLAINERS, "faulty", Explainer("faulty", explain))
    store = tiny.published(tmp_path, 2, explainers=("faulty", "saliency", "random"))
    ((cases,),) = select(store, "select count(*) from cases")
    failures = [row for row in tiny.rows(store, "failures") if row[0] == "explain"]
    assert len(failures) == cases > 0
    for stage, photo, case, explainer, why in failures:
        assert (stage, explainer) == ("explain", "faulty")
        assert case.startswith(photo)
        assert why.startswith(reason)
    assert select(store, "select explainer, count(*) from explanations group by 1 order by 1") == [
        ("random", cases), ("saliency", cases),
    ]  # fmt: skip
    assert select(store, "select explainer, count(*) from ranks group by 1") == [("saliency", 20 * cases)]


def test_a_case_that_lime_cannot_explain_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lime = EXPLAINERS["lime"].explain
    calls: list[Task] = []

    def sometimes(task: Task) -> Any:
        calls.append(task)
        return lime(task) if len(calls) > 1 else sys.exit("no memory")

    monkeypatch.setitem(EXPLAINERS, "lime", Explainer("lime", sometimes))
    store = tiny.published(tmp_path, 3, explainers=("saliency", "lime", "random"))
    ((cases,),) = select(store, "select count(*) from cases")
    (failure,) = [row for row in tiny.rows(store, "failures") if row[0] == "explain"]
    assert failure[3:] == ("lime", "SystemExit: no memory")
    explained = dict(select(store, "select explainer, count(distinct case_id) from scores group by 1"))
    assert explained == dict.fromkeys(("saliency", "lime", "random"), cases - 1)
    assert cases > 1


def test_a_network_without_relu_fails_at_guided_backpropagation_alone(tmp_path: Path) -> None:
    smooth = nn.Sequential(*(nn.SiLU() if isinstance(m, nn.ReLU) else m for m in tiny.network()))
    known = Classifier.of(smooth, size=tiny.SIZE, **tiny.NORMALISATION)
    runner_up = int(known.network(tiny.images(range(1))).topk(2).indices[0, 1])
    config = tiny.config(tmp_path, explainers=("saliency", "guided_backprop"), target=str(runner_up))
    store = run_sweep(config, sources=tiny.sources(3), classifier=known)
    assert store is not None
    reasons = {row[4] for row in tiny.rows(store, "failures") if row[3] == "guided_backprop"}
    assert len(reasons) == 1
    assert "needs ReLU" in reasons.pop()
    assert {name for (name,) in select(store, "select explainer from scores")} == {"saliency"}


def test_a_full_disk_is_said_and_what_is_finished_is_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, calls = durable.write, 0

    def filling(path: Path, data: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls > 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(durable, "write", filling)
        with pytest.raises(InputError, match=r"cannot be written .No space left on device.*what is finished is kept"):
            tiny.sweep(tmp_path)
    kept = {path.name for path in (tmp_path / "parts").iterdir()}
    assert len(kept) == 3
    assert not any(name.startswith(".") for name in kept)
    assert tiny.facts(tiny.published(tmp_path)) == tiny.facts(store)


@pytest.mark.parametrize(("method", "at"), [("done", 2), ("write", 1), ("read", 3), ("publish", 1)])
def test_of_two_equal_sweeps_the_slower_finds_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, at: int
) -> None:
    """The other begins, ends and publishes while this one is about to look, write, read or publish."""
    original, calls = getattr(Parts, method), 0

    def overtaken(self: Parts, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            tiny.sweep(tmp_path)
        return original(self, *args)

    monkeypatch.setattr(Parts, method, overtaken)
    assert tiny.facts(tiny.published(tmp_path)) == tiny.facts(store)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in store.path.iterdir()}


def test_a_damaged_part_is_made_anew(store: Store, tmp_path: Path) -> None:
    for i in (1, 2):
        tiny.sweep(tmp_path, shard=(i, 2))
    for path in (tmp_path / "parts").glob("*-00001/images.parquet"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"parts/attack-00001/images\.parquet: damaged"):
        publish(tmp_path)
    with pytest.warns(Notice, match="attack-00001.*this part is made anew"):
        assert tiny.facts(tiny.published(tmp_path)) == tiny.facts(store)


def test_an_explainer_that_changes_the_folder_moves_no_store(
    in_folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moves(task: Task) -> Any:
        os.chdir(tmp_path_factory.mktemp("elsewhere"))
        return np.zeros(task.rgb.shape[:2])

    monkeypatch.setitem(EXPLAINERS, "moves", Explainer("moves", moves))
    tiny.published(Path("store"), 3, explainers=("moves",))
    assert (in_folder / "store" / "manifest.json").is_file()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"--out .*file/store: cannot be written"):
        tiny.sweep(tmp_path / "file" / "store")
