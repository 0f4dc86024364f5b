"""What a sweep takes: memory, seconds, threads, and how it tells of its progress."""

import dataclasses
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny
from PIL import Image

from compute.explainers import EXPLAINERS
from compute.store.opening import Store
from compute.sweep.pipeline import ahead, in_turn
from compute.sweep.sweep import run_sweep


def select(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.connect() as connection:
        return connection.execute(query).fetchall()


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
