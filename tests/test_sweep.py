"""Whole sweeps: what they store."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from compute.store.opening import Store
from compute.sweep.config import Config


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


@pytest.mark.parametrize(
    ("keep", "kinds"),
    [("images", {"photo", "adversarial", "segments", "entry"}), ("entries", {"segments", "entry"}), ("none", set())],
)
def test_a_store_keeps_the_images_that_were_asked_for(tmp_path: Path, keep: str, kinds: set[str]) -> None:
    store = tiny.published(tmp_path, 2, explainers=("saliency", "random"), keep=keep)
    assert {kind.partition(":")[0] for (kind,) in select(store, "select distinct kind from images")} == kinds
    assert select(store, "from explanations")
