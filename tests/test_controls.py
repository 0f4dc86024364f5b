"""Controls: the same explainers asked otherwise, at no more passes than it takes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from compute.explainers import EXPLAINERS, Explainer, Superpixels, Task
from compute.scoring.ranking import likeness, ranking
from compute.store.opening import Store
from compute.sweep.sweep import run_sweep

METHODS = ("saliency", "saliency@smooth", "guided_backprop@superpixels", "lime", "eigen_cam", "texture", "random")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny.published(tmp_path_factory.mktemp("controls") / "store", 4, explainers=METHODS)


def select(store: Store, query: str) -> list[tuple[Any, ...]]:
    with store.connect() as connection:
        return connection.execute(query).fetchall()


def test_every_explanation_but_a_baseline_s_has_its_three_controls(store: Store) -> None:
    assert (
        select(
            store,
            """select explainer, count(*) from explanations where explainer not in ('texture', 'random')
           group by all having count(*) * 3 <> (
               select count(*) from controls c where c.explainer = explanations.explainer)""",
        )
        == []
    )
    assert select(store, "select distinct explainer from controls where explainer in ('texture', 'random')") == []
    assert not select(store, "from failures where stage = 'explain'")


def test_what_knows_no_class_is_not_specific_to_one(store: Store) -> None:
    alike = select(
        store,
        """select c.correlation, c.jaccard - s.mean_jaccard
           from control_scores c join case_methods s using (case_id, explainer)
           where control = 'class' and explainer = 'eigen_cam'""",
    )
    assert alike
    for correlation, difference in alike:
        assert correlation == pytest.approx(1)
        assert difference == pytest.approx(0, abs=1e-6)
    apart = select(store, "select max(correlation) from controls where control = 'class' and explainer = 'saliency'")
    assert apart[0][0] < 0.99


def test_explanations_of_the_photo_serve_all_its_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, int]] = []
    saliency = EXPLAINERS["saliency"].explain

    def counting(task: Task) -> Any:
        asked.append((task.rgb.tobytes(), task.target))
        return saliency(task)

    monkeypatch.setitem(EXPLAINERS, "saliency", Explainer("saliency", counting))
    store = tiny.published(tmp_path, 4, explainers=("saliency", "random"))
    ((cases,),) = select(store, "select count(*) from cases")
    ((photos,),) = select(store, "select count(distinct photo_id) from cases")
    assert photos < cases
    assert len(asked) == 2 * cases + 2 * photos
    assert len(set(asked)) == len(asked)


def test_another_class_of_the_same_image_costs_lime_no_pass(tmp_path: Path) -> None:
    def passes(**options: Any) -> int:
        seen = 0
        known = tiny.classifier()

        def count(_: object, inputs: tuple[Any, ...]) -> None:
            nonlocal seen
            seen += len(inputs[0])

        handle = known.network.register_forward_pre_hook(count)
        config = tiny.config(tmp_path / str(options), explainers=("lime", "random"), causal="none", **options)
        run_sweep(config, sources=tiny.sources(3), classifier=known)
        handle.remove()
        return seen

    assert passes(controls="class") == passes(controls="none")
    assert passes(controls="photo") > passes(controls="none", seed=1)


def test_none_are_none(tmp_path: Path) -> None:
    store = tiny.published(tmp_path, 3, explainers=("saliency", "random"), controls="none")
    assert select(store, "from controls") == []


@given(st.integers(0, 2**31), st.integers(1, 63))
def test_likeness_is_spearman_s_and_that_of_sets(seed: int, pixels: int) -> None:
    rng = np.random.default_rng(seed)
    region = (rng.permutation(64) < pixels).reshape(8, 8)
    one, other = (np.asarray(rng.permutation(64).reshape(8, 8), dtype=np.float64) for _ in range(2))
    found = likeness(one, other, region)
    assert found.correlation == pytest.approx(spearmanr(one.ravel(), other.ravel())[0])
    first, second = one >= 64 - pixels, other >= 64 - pixels
    assert found.overlap == pytest.approx((first & second).sum() / (first | second).sum())
    false, outside = second & ~region, ~region
    if false.any():
        by_chance = (first & outside).sum() / outside.sum()
        assert found.alarms == pytest.approx((first & false).sum() / false.sum() - by_chance)
    else:
        assert found.alarms is None
    same = likeness(one, one, region)
    assert [same.correlation, same.overlap] == [pytest.approx(1), pytest.approx(1)]


def test_no_order_has_no_correlation() -> None:
    assert likeness(np.zeros((4, 4)), np.arange(16.0).reshape(4, 4), np.eye(4, dtype=bool)).correlation is None


def test_superpixels_rank_in_their_order_and_the_rest_ties() -> None:
    segments = np.array([[7, 7, -2], [3, 5, 5]])
    assert ranking(Superpixels(segments, [5, -2])).tolist() == [[0, 0, 1], [0, 2, 2]]


def test_a_check_that_fails_ends_no_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("compute.sweep.explaining.check", fail)
        store = tiny.published(tmp_path / "a", 3, explainers=("saliency", "random"))
    ((cases,),) = select(store, "select count(*) from cases")
    reasons = select(store, "select explainer, count(*) from failures where reason = 'MemoryError: no room' group by 1")
    assert dict(reasons) == {"saliency": cases, "random": cases}
    assert select(store, "from explanations") == []
    monkeypatch.setattr("compute.sweep.attacking.sufficiency", fail)
    store = tiny.published(tmp_path / "b", 3, explainers=("saliency", "random"))
    assert select(store, "select count(*), count(sufficiency_mean) from cases") == [(cases, 0)]
    ((told,),) = select(store, "select count(*) from failures where reason like 'its region could not be checked%'")
    assert told == cases > 0


def test_a_case_that_lime_cannot_size_is_left_out_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Superpixels(np.zeros((tiny.SIZE, tiny.SIZE), np.int64), [7], {}, np.ones(1))
    monkeypatch.setitem(EXPLAINERS, "lime", Explainer("lime", lambda task: nowhere))
    store = tiny.published(tmp_path, 3, explainers=("lime", "lime@smooth", "saliency"))
    assert select(store, "from explanations") == select(store, "from case_methods") == []
    assert select(store, "select distinct explainer from failures where stage = 'explain'") == [("lime",)]


def test_seeds_repeat_what_draws_and_nothing_else(store: Store, tmp_path: Path) -> None:
    names = ("lime", "glime", "saliency", "random")
    repeated = tiny.published(tmp_path, 3, explainers=names, seeds=3, engine="eager")
    kinds = select(repeated, "select distinct explainer, repeat from repeats order by all")
    assert kinds == [(name, repeat) for name in ("glime", "lime", "random") for repeat in (1, 2)]
    assert select(repeated, "select count(*) from repeats where overlap between 0 and 1")[0][0] > 0
    overlaps = select(
        repeated, "select explainer, count(overlap5), max(overlap5) from repeats group by all order by all"
    )
    assert [(name, most <= 1 if count else None) for name, count, most in overlaps] == [
        ("glime", True), ("lime", True), ("random", None),
    ]  # fmt: skip
    once = tiny.published(tmp_path / "once", 3, explainers=names, engine="eager")
    assert tiny.rows(once, "explanations") == tiny.rows(repeated, "explanations")
    assert select(once, "from repeats") == []


def test_passes_are_counted(tmp_path: Path) -> None:
    names = ("lime", "saliency", "lime@smooth", "smoothgrad", "random")
    store = tiny.published(tmp_path, 3, explainers=names, lime_samples=50)
    passes = select(store, "select distinct explainer, passes from explanations order by all")
    assert passes == [("lime", 50), ("lime@smooth", 50), ("random", 0), ("saliency", 1), ("smoothgrad", 64)]
