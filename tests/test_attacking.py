"""A photo that the network, or anything before it, fails on is recorded; the others of its group go on."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor, nn

from compute.attacks import Settings
from compute.inputs.regions import Segmentation
from compute.inputs.source import Source, from_array
from compute.networks.classifier import Classifier
from compute.sweep.attacking import Attacking, Rows, aimed_at
from compute.sweep.turns import Turns


class _Moody(nn.Module):
    """Does as it is told about images whose top left pixel is white."""

    def __init__(self, body: nn.Module, mood: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.body, self.mood = body, mood

    def forward(self, x: Tensor) -> Tensor:
        return self.mood(self.body(x), (x[:, :, 0, 0] == 1).all(dim=1))


def _nan(logits: Tensor, white: Tensor) -> Tensor:
    return torch.where(white[:, None], torch.nan, logits)


def _raise(logits: Tensor, white: Tensor) -> Tensor:
    if white.any():
        raise RuntimeError("out of memory")
    return logits


def _raise_later(logits: Tensor, white: Tensor) -> Tensor:
    return _raise(logits, white) if torch.is_grad_enabled() else logits


def _nan_later(logits: Tensor, white: Tensor) -> Tensor:
    return _nan(logits, white) if torch.is_grad_enabled() else logits


def sources() -> list[Source]:
    """Four photos; the third is white at the top left."""
    made = [tiny.photo(i, tiny.SIZE, tiny.SIZE) for i in range(1, 5)]
    made[2][0, 0] = 255
    return [from_array(f"made {i}", rgb) for i, rgb in enumerate(made)]


def attacked(classifier: Classifier, given: list[Source], target: int | None = tiny.TARGET) -> tuple[Rows, float]:
    target_of = partial(aimed_at, target, 0, len(tiny.CLASSES))
    stage = Attacking(classifier, Segmentation(min_size=40), 2, target_of, Settings(iterations=5), 16, Turns())
    shares: list[float] = []
    rows, _ = stage.attack(given, shares.append)
    return rows, sum(shares)


@pytest.mark.parametrize(
    ("mood", "stage", "reason"),
    [
        (_nan, "photo", "not finite"),
        (_raise, "photo", "RuntimeError: out of memory"),
        (_nan_later, "attack", "not finite"),
        (_raise_later, "attack", "RuntimeError: out of memory"),
    ],
)
def test_a_failing_photo_never_takes_its_group_with_it(
    classifier: Classifier, mood: Callable[[Tensor, Tensor], Tensor], stage: str, reason: str
) -> None:
    given = sources()
    moody = Classifier("m", _Moody(classifier.network, mood), tiny.SIZE, tiny.CLASSES, "")
    rows, share = attacked(moody, given)
    expected, _ = attacked(classifier, [source for i, source in enumerate(given) if i != 2])
    assert rows["failures"]
    for row in rows["failures"]:
        assert row["stage"] == stage
        assert "made-2" in row["photo"]
        assert reason in row["reason"]
    assert rows["attempts"] == expected["attempts"]
    assert share == pytest.approx(1)


def test_a_photo_that_cannot_be_segmented_is_recorded(classifier: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Segmentation.of

    def failing(self: Segmentation, rgb: Any) -> Any:
        if np.array_equal(rgb[0, 0], (255, 255, 255)):
            raise ValueError("no segments")
        return plain(self, rgb)

    monkeypatch.setattr(Segmentation, "of", failing)
    rows, share = attacked(classifier, sources())
    assert [row["reason"] for row in rows["failures"]] == ["ValueError: no segments"]
    assert len(rows["photos"]) == 3
    assert share == pytest.approx(1)
