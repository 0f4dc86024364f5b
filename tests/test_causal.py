"""Causal checks: pasting by the entry map, on a network whose answer is known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from compute.scoring.causal import check, sufficiency
from compute.scoring.entry import entry_of_superpixels
from compute.store.schema import CHECKED

CPU = torch.device("cpu")


def brightness(images: Tensor) -> Tensor:
    """Two classes: the share of white pixels, and the rest."""
    share = images.mean(dim=(1, 2, 3))
    return torch.stack([1 - share, share], dim=1)


def test_restoring_all_of_it_undoes_the_attack_and_transplanting_all_of_it_is_the_attack() -> None:
    photo, attacked = np.zeros((20, 10, 3), np.uint8), np.zeros((20, 10, 3), np.uint8)
    attacked[:16] = 255
    rows = np.repeat(np.arange(20), 10).reshape(20, 10)
    entry = entry_of_superpixels(rows, range(20))
    found = check(entry, attacked, photo, 1, brightness, CPU)
    for n, restored, undone, transplanted, appeared in zip(CHECKED, *found, strict=True):
        assert restored == pytest.approx((16 - min(n, 16)) / 20)
        assert undone == (restored <= 0.5)
        assert transplanted == pytest.approx(min(n, 16) / 20)
        assert appeared == (transplanted > 0.5)


def test_an_empty_explanation_changes_nothing() -> None:
    photo, attacked = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    found = check(np.zeros((8, 8), np.uint8), attacked, photo, 1, brightness, CPU)
    assert set(found.restored) == {1.0}
    assert set(found.transplanted) == {0.0}


def test_sufficiency_hides_the_outside_alone() -> None:
    attacked = np.zeros((40, 40, 3), np.uint8)
    attacked[:, :20] = 255
    attacked[::2, 20:] = 200
    region = np.zeros((40, 40), bool)
    region[:, :20] = True
    seen: list[Tensor] = []

    def watch(images: Tensor) -> Tensor:
        seen.append(images)
        return brightness(images)

    mean, blur = sufficiency(attacked, region, 1, watch, CPU)
    plain, blurred = (image.permute(1, 2, 0).mul(255).round().byte().numpy() for image in seen[0])
    for image in (plain, blurred):
        assert np.array_equal(image[region], attacked[region])
    assert len(np.unique(plain[~region])) == 1
    assert plain[0, 30, 0] == 100
    assert blurred[:, 30:].std() < attacked[:, 30:].std()
    assert 0 < mean < 1
    assert 0 < blur < 1


def test_answers_that_are_not_finite_are_no_answers() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="not finite"):
        check(np.zeros((8, 8), np.uint8), black, black, 1, lambda x: torch.full((len(x), 2), torch.nan), CPU)


def test_a_region_that_is_everything_has_nothing_to_hide() -> None:
    attacked = np.full((8, 8, 3), 255, np.uint8)
    assert sufficiency(attacked, np.ones((8, 8), bool), 1, brightness, CPU) == (1, 1)
