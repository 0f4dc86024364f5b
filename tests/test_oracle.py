"""The oracle: a ceiling of what superpixels can do."""

import numpy as np
import tiny

from compute.explainers import EXPLAINERS, Superpixels, Task


def asked(segments: np.ndarray, region: np.ndarray) -> Superpixels:
    found = EXPLAINERS["oracle@superpixels"].explain(tiny.task(prepared=segments, region=region))
    assert isinstance(found, Superpixels)
    return found


def squares() -> np.ndarray:
    y, x = np.mgrid[: tiny.SIZE, : tiny.SIZE] // 16
    return np.asarray(4 * y + x)


def test_a_region_of_whole_superpixels_is_found_whole() -> None:
    segments = squares()
    found = asked(segments, np.isin(segments, (3, 6, 9)))
    assert set(found.ranked) == {3, 6, 9}


def test_no_single_superpixel_is_better_and_none_more_helps() -> None:
    segments = squares()
    region = np.hypot(*(np.mgrid[: tiny.SIZE, : tiny.SIZE] - 20)) < 18

    def jaccard(labels: list[int]) -> float:
        chosen = np.isin(segments, labels)
        return float((chosen & region).sum() / (chosen | region).sum())

    found = list(asked(segments, region).ranked)
    steps = [jaccard(found[:n]) for n in range(1, len(found) + 1)]
    assert steps == sorted(steps)
    assert steps[0] == max(jaccard([label]) for label in range(16))
    assert all(jaccard([*found, label]) <= steps[-1] for label in range(16))


def test_nobody_else_is_told_the_region() -> None:
    tellers = [name for name, explainer in EXPLAINERS.items() if explainer.oracle]
    assert tellers == ["oracle@superpixels"]
    assert Task.__dataclass_fields__["region"].default is None
