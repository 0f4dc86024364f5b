"""Where false alarms fall, on made images."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from make_store import make_store, rewrite

from dashboard.data import blame, boards

SIDE = 64


def _scene() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """A flat photo with one edge far from a square region."""
    photo = np.zeros((SIDE, SIDE, 3), np.uint8)
    photo[:, 48:] = 200
    region = np.zeros((SIDE, SIDE), bool)
    region[8:24, 8:24] = True
    return photo, region


def test_every_pixel_outside_has_one_place() -> None:
    photo, region = _scene()
    where = blame.places(photo, region)
    assert ((where == -1) == region).all()
    assert where[7, 10] == where[25, 10] == 0 and where[26, 10] != 0  # two pixels wide: 64 / 32
    assert (where[40, 47:49] == 1).all()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_alarms_in_one_place_alone_exceed_chance_there(place: int) -> None:
    rng = np.random.default_rng(0)
    photo, region = rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8), _scene()[1]
    where = blame.places(photo, region)
    found = blame.excess(where, where == place)
    assert found is not None
    chance = (where == place).sum() / (where >= 0).sum()
    assert found[place] == pytest.approx(1 - chance) and sum(found) == pytest.approx(0)
    assert blame.excess(where, where >= 0) == pytest.approx([0, 0, 0])  # everything is chance
    assert blame.excess(where, region) is None  # no false alarm


def test_the_size_is_that_closest_to_the_region() -> None:
    entry = np.zeros((4, 4), np.uint8)
    entry[0], entry[1], entry[2] = 1, 2, 5
    assert blame.at_region(entry, 7).sum() == 8 and blame.at_region(entry, 12).sum() == 12


def test_a_store_s_random_pixels_are_at_chance(tmp_path_factory: pytest.TempPathFactory) -> None:
    board = boards.open_board("made", make_store(tmp_path_factory.mktemp("s") / "made", cases=60, size=64))
    parts = blame.parts(board)
    assert max(map(len, parts)) <= blame.TOGETHER and len({c for part in parts for c in part}) == sum(map(len, parts))
    found = blame.by_case(board)
    means = blame.shares(found)
    assert means[means["explainer"] == "random"]["mean"].abs().max() < 0.02
    assert set(means["explainer"]) == set(board.explainers)
    assert means["cases"].max() == found["case_id"].nunique() >= 60
    first = blame.most(found, "lime", "border", cases=1)[0]
    own = found[(found["explainer"] == "lime") & (found["place"] == "border")].set_index("case_id")["excess"]
    assert own[first] == own.max()


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = make_store(tmp_path / "made", cases=12, size=64)
    images = pd.read_parquet(path / "images.parquet")
    lost = images["kind"].eq("entry:lime") & images["owner"].str.endswith("r01")
    rewrite(path, "images", images.assign(png=images["png"].mask(lost, b"nothing")))
    board = boards.open_board("made", path)
    found = [blame.of_cases(board, part) for part in blame.parts(board)]
    assert sum(part.unreadable for part in found) == lost.sum() > 0
    seen = pd.concat([part.found for part in found]).groupby("explainer")["case_id"].nunique()
    assert seen["lime"] + lost.sum() == seen["random"]


def test_own_explanations_are_of_all_cases_and_of_those_that_were_asked(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    board = boards.open_board("own", make_store(tmp_path_factory.mktemp("s") / "own", cases=12, size=64))
    own = blame.by_case(board).query("place == 'own'")
    told = board.query("select explainer, avg(alarms) as mean from controls where control = 'clean' group by all")
    means = blame.shares(own).set_index("explainer")["mean"].round(6).to_dict()
    assert means == told.set_index("explainer")["mean"].round(6).to_dict() and "random" not in means
