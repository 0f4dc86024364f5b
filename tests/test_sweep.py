"""Whole sweeps: what they store, that they go on from anywhere, and that nothing but the configuration decides."""

import dataclasses
import errno
import multiprocessing
import os
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import interrupted
import numpy as np
import pytest
import tiny
from PIL import Image
from torch import nn

from compute import open_store
from compute.attacks import Attempt
from compute.errors import InputError, Notice
from compute.explainers import EXPLAINERS, Explainer, Superpixels, Task
from compute.networks import classifiers, engine
from compute.networks.classifier import Classifier
from compute.store import durable
from compute.store.opening import Store
from compute.store.parts import Parts
from compute.sweep.config import Config
from compute.sweep.pipeline import ahead, in_turn
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


def select(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.connect() as connection:
        return connection.execute(query).fetchall()


def test_a_store_holds_every_stage(store: Store) -> None:
    assert select(store, "select count(*) from photos") == [(5,)]
    ((attempts, cases),) = select(store, "select count(*), count(*) filter (success) from attempts")
    assert cases >= 6
    assert select(store, "select count(*) from explanations") == [(4 * cases,)]
    assert select(store, "select count(*) from scores") == [(4 * cases * 20,)]
    assert select(store, "select count(*) from images") == [(2 * 5 + attempts + 4 * cases,)]
    assert {kind for (kind,) in select(store, "select kind from images")} == {
        "photo", "segments", "adversarial", *(f"entry:{name}" for name in Config().explainers),
    }  # fmt: skip
    assert store.damaged() == []
    assert not (store.path / "parts").exists()


def test_a_photo_that_is_already_the_target_is_skipped_with_its_reason(store: Store) -> None:
    (clean,) = select(store, "select photo_id from photos where clean_class = 'wolf spider'")
    assert select(store, "from failures") == [
        ("attack", clean[0], None, None, "already classified as the target, wolf spider")
    ]
    assert not select(store, f"from attempts where photo_id = '{clean[0]}'")


def test_regions_are_the_largest_segments(store: Store) -> None:
    ranks = select(store, "select list(region_rank order by region_rank) from attempts group by photo_id")
    assert ranks == [([1, 2, 3],)] * 4
    assert not select(
        store,
        "from attempts a join attempts b using (photo_id) "
        "where a.region_rank < b.region_rank and a.region_pixels < b.region_pixels",
    )


def test_pixel_explainers_choose_as_many_pixels_as_lime_at_every_n(store: Store) -> None:
    assert select(store, "select max(n) from (select count(distinct pixels) as n from scores group by case_id, n)") == [
        (1,)
    ]
    assert select(store, "select count(*) > 0 from scores where pixels > 0") == [(True,)]
    assert store.manifest["sizes"] == "lime"


def test_without_lime_sizes_follow_the_schedule_that_the_manifest_names(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 2, explainers=("saliency", "random"))
    assert store.manifest["sizes"] == "n per cent of the image's pixels"
    assert select(store, "select distinct n, pixels from scores order by n") == [
        (n, n * tiny.SIZE**2 // 100) for n in range(1, 21)
    ]


def test_the_random_baseline_meets_its_expectation(tmp_path: Path) -> None:
    """Over all cases, hits of P_20 are a sum of hypergeometric draws: within 4 standard deviations of its mean."""
    store = tiny.published(tmp_path, 12, explainers=("random",), regions=6, iterations=60)
    rows = select(store, "select pixels, hits, region_pixels, n_pixels from measures where n = 20")
    p, h, c, n = np.array(rows, dtype=float).T
    expected, variance = p * c / n, p * c / n * (1 - c / n) * (n - p) / (n - 1)
    assert len(rows) > 30
    assert abs((h - expected).sum()) < 4 * np.sqrt(variance.sum())


def test_the_manifest_tells_how_it_was_made(store: Store) -> None:
    manifest = store.manifest
    assert manifest["config"]["regions"] == 3
    assert manifest["config"]["engine"] == "eager"  # automatic choices are written down as they were made
    assert manifest["config"]["batch"] > 0
    assert manifest["target"] == {"index": tiny.TARGET, "name": "wolf spider"}
    assert manifest["classifier"]["weights_sha256"] == tiny.classifier().weights_sha256
    assert {"torch", "numpy", "lime", "python", "wolfspider"} <= set(manifest["environment"])
    assert {"prepare", "attack", "causal", "controls", *Config().explainers} == set(manifest["seconds"])
    assert manifest["device"]["kind"] == "cpu"


# Reproducibility.


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
    write = Parts._publish

    def overtaken(self: Parts, tables: Sequence[str], pieces: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        if table in tables and not (tmp_path / "manifest.json").exists():
            with monkeypatch.context() as plain:
                plain.setattr(Parts, "_publish", write)
                publish(tmp_path)
        return write(self, tables, pieces)

    monkeypatch.setattr(Parts, "_publish", overtaken)
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


# Bad input.


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


# Resources.


def test_memory_does_not_grow_with_the_number_of_photos(tmp_path: Path) -> None:
    """Beyond a photo's own name: if any of its images were kept, each more photo would cost tens of kilobytes."""

    def peak(count: int) -> tuple[int, Store]:
        files = tmp_path / f"photos-{count}"
        files.mkdir()
        for i in range(count):
            Image.fromarray(tiny.photo(i, 64, 64)).save(files / f"{i}.png")
        config = tiny.config(
            tmp_path / f"{count}", photos=(str(files),), explainers=("random",), regions=2, iterations=4
        )
        known = tiny.classifier()
        tracemalloc.start()
        try:
            store = run_sweep(config, classifier=known)
            assert store is not None
            return tracemalloc.get_traced_memory()[1], store
        finally:
            tracemalloc.stop()

    peak(2)  # imports and caches
    few, _ = peak(8)
    many, store = peak(24)
    ((stored,),) = select(store, "select sum(octet_length(png)) from images where kind in ('photo', 'adversarial')")
    assert (many - few) / 16 < stored / 24 / 4


def test_progress_is_counted_in_photos(tmp_path: Path) -> None:
    seen: dict[str, list[float]] = {"attack": [], "explain": []}

    def progress(stage: str, done: float, total: int) -> None:
        assert total == 5
        seen[stage].append(done)

    run_sweep(tiny.config(tmp_path), sources=tiny.sources(5), classifier=tiny.classifier(), progress=progress)
    for done in seen.values():
        assert done == sorted(done)
        assert done[-1] == pytest.approx(5)


def test_seconds_of_an_explanation_include_what_it_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = dataclasses.replace(EXPLAINERS["random"], prepare=lambda rgb: time.sleep(0.05))
    monkeypatch.setitem(EXPLAINERS, "random", slow)
    store = tiny.published(tmp_path, 2, explainers=("random",))
    (least,) = select(store, "select min(seconds) from explanations")[0]
    assert least >= 0.05


def test_work_in_turn_keeps_its_order_and_leaves_nothing_under_way() -> None:
    under_way = []

    def work(x: int) -> int:
        under_way.append(x)
        time.sleep(0.001 * (x % 3))
        under_way.remove(x)
        return x * x

    with ThreadPoolExecutor(3) as pool:
        for i, result in enumerate(in_turn(work, range(10), pool, size=3)):
            assert result == i * i
            assert not under_way
    assert i == 9


def test_work_ahead_keeps_its_order_and_its_depth() -> None:
    taken = []

    def items() -> Iterator[int]:
        for i in range(20):
            taken.append(i)
            yield i

    with ThreadPoolExecutor(3) as pool:
        for i, result in enumerate(ahead(lambda x: x * x, items(), pool, depth=4)):
            assert result == i * i
            assert len(taken) <= i + 4


@pytest.mark.parametrize(
    ("keep", "kinds"),
    [("images", {"photo", "adversarial", "segments", "entry"}), ("entries", {"segments", "entry"}), ("none", set())],
)
def test_a_store_keeps_the_images_that_were_asked_for(tmp_path: Path, keep: str, kinds: set[str]) -> None:
    store = tiny.published(tmp_path, 2, explainers=("saliency", "random"), keep=keep)
    assert {kind.partition(":")[0] for (kind,) in select(store, "select distinct kind from images")} == kinds
    assert select(store, "from explanations")
