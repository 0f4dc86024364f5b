"""How a map is read: what presentations do to it, what they refuse, and any explainer under them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st

from compute.errors import InputError
from compute.explainers import Superpixels
from compute.scoring import entry as scores
from compute.scoring.measures import measure
from compute.scoring.presentations import PRESENTATIONS, Method, by_mean, by_sum, methods, smooth

SIDE = 16
SQUARES = np.arange(SIDE)[:, None] // 4 * 4 + np.arange(SIDE)[None, :] // 4
"""Sixteen superpixels of sixteen pixels."""


@given(st.permutations(range(16)))
def test_superpixels_of_a_map_constant_on_each_rank_as_its_values(values: list[int]) -> None:
    best = np.argsort(values)[::-1].tolist()
    for present in (by_mean, by_sum):
        found = present(np.array(values, dtype=float)[SQUARES], SQUARES, 8)
        assert found.ranked == best


def test_mean_and_sum_differ_by_the_size_of_superpixels() -> None:
    segments = np.minimum(SQUARES, 1)  # one of 16 pixels, one of 240
    values = np.where(segments == 0, 2.0, 1.0)
    assert by_mean(values, segments, 8).ranked == [0, 1]
    assert by_sum(values, segments, 8).ranked == [1, 0]


@given(st.integers(0, 63), st.integers(0, 63), st.sampled_from([1.0, 3.0, 8.0]))
def test_a_gaussian_keeps_a_maximum_near_and_the_mean(row: int, column: int, sigma: float) -> None:
    values = np.zeros((64, 64))
    values[row, column] = 1
    found = smooth(values, None, sigma)
    y, x = np.unravel_index(np.argmax(found), found.shape)
    assert max(abs(y - row), abs(x - column)) <= sigma
    assert found.sum() == pytest.approx(1)
    assert found.max() < 1


@given(st.sets(st.integers(0, 15), min_size=1, max_size=15))
def test_a_perfect_map_is_perfect_in_superpixels(members: set[int]) -> None:
    region = np.isin(SQUARES, list(members))
    found = by_mean(region.astype(np.float64), SQUARES, 8)
    assert found.map is not None
    assert measure(found.map, region, found.map).jaccard_at_region == 1
    pixels, hits = scores.count(scores.entry_of_superpixels(found.segments, found.ranked), region)
    assert (pixels[len(members) - 1], hits[len(members) - 1]) == (region.sum(), region.sum())


def test_names_are_explainers_with_a_presentation() -> None:
    names = ["lime@clean", "lime@clean@smooth", "saliency", "saliency@superpixels-sum", "captum:Saliency@smooth"]
    found = methods(names)
    assert [m.name for m in found] == names
    assert [m.explainer.name for m in found] == ["lime@clean", "lime@clean", "saliency", "saliency", "captum:Saliency"]
    assert found[2].explainer is found[3].explainer


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["saliency@sharp"], "saliency@sharp: no presentation @sharp; known are @smooth, @superpixels"),
        (["saliency@"], "no presentation @;"),
        (["gradcam@smooth"], "--explainers gradcam: unknown"),
        (["@smooth"], "unknown"),
        (["saliency@smooth", "saliency@smooth"], "a name stands twice"),
        (["captum:Occlusion@smooth"], "captum:Occlusion: needs more .*: sliding_window_shapes"),
        (["captum:NoiseTunnel"], "captum:NoiseTunnel: needs more .*: attribution_method"),
        (["captum:Attribution"], "has no such attribution"),
        (["captum:PerturbationAttribution"], "has no such attribution"),
        (["captum:DeepLift"], "silently wrong on many networks; take deep_lift"),
        (["captum:GuidedBackprop@smooth"], "take guided_backprop_hooks"),
    ],
)
def test_what_is_no_method_is_named(names: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        methods(names)


@pytest.mark.parametrize(
    ("presentation", "values", "reason"),
    [
        ("superpixels", np.arange(16.0), "@superpixels does not fit: the explanation is in superpixels already"),
        ("superpixels-sum", None, "@superpixels-sum does not fit: the explanation is in superpixels already"),
        ("smooth", None, "@smooth does not fit: these superpixels have an order, but no values"),
    ],
)
def test_what_does_not_fit_is_refused(presentation: str, values: np.ndarray | None, reason: str) -> None:
    method = Method(methods(["lime"])[0].explainer, presentation)
    with pytest.raises(ValueError, match=reason):
        method.present(Superpixels(SQUARES, [3, 1], {}, values), SQUARES, 8)


MODULE = """
import numpy as np
from compute import Superpixels

CALLS = []


def fn(task):
    CALLS.append(task.seed)
    return task.rgb.mean(axis=2)


def squares(task):
    return Superpixels(np.arange(64)[:, None] // 16 * 4 + np.arange(64)[None, :] // 16, [3, 1])
"""


@pytest.fixture
def mine(in_folder: Path) -> Iterator[str]:
    (in_folder / "presented_for_test.py").write_text(MODULE)
    path = list(sys.path)
    yield "presented_for_test"
    sys.path[:] = path
    sys.modules.pop("presented_for_test", None)


def test_an_explainer_of_a_user_takes_any_presentation_and_others_fail_in_words(mine: str, tmp_path: Path) -> None:
    fitting = [f"{mine}:fn", *(f"{mine}:fn@{p}" for p in PRESENTATIONS), "lime", "lime@smooth"]
    names = (*fitting, "lime@superpixels", f"{mine}:squares@smooth", "saliency")
    store = tiny.published(tmp_path / "store", 2, explainers=names, controls="none")
    with store.connect() as connection:
        ((cases,),) = connection.execute("select count(*) from cases").fetchall()
        scored = dict(connection.execute("select explainer, count(*) from scores group by 1").fetchall())
        failed = connection.execute(
            "select explainer, count(*), any_value(reason) from failures where stage = 'explain' group by 1 order by 1"
        ).fetchall()
    assert cases
    own = ["fn", *(f"fn@{p}" for p in PRESENTATIONS)]
    assert scored == dict.fromkeys([*own, "lime", "lime@smooth", "saliency"], 20 * cases)
    assert len(sys.modules[mine].CALLS) == cases  # the map is made once, however many presentations read it
    assert failed == [
        ("lime@superpixels", cases, "ValueError: @superpixels does not fit: the explanation is in superpixels already"),
        ("squares@smooth", cases, "ValueError: @smooth does not fit: these superpixels have an order, but no values"),
    ]
