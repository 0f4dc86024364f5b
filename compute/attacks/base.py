"""What an attack is given, what it returns, and how an algorithm is found by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from compute.errors import InputError
from compute.inputs.regions import Region

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """One (photo, region) pair: `rgb` is (H, W, 3) uint8, `target` the index of the class to aim at."""

    case_id: str
    photo_id: str
    rgb: Bytes
    region: Region
    target: int


@dataclass(frozen=True)
class Attempt:
    """What became of a job: `rgb` is the image at the end, or of several that succeeded the one that changed least.

    `outcome` is success, stalled, exhausted, or broken where the network's answer was not finite.
    """

    job: Job
    outcome: str
    iterations: int
    rgb: Bytes
    clean_target_confidence: float
    target_confidence: float
    final_index: int
    final_confidence: float

    @property
    def success(self) -> bool:
        """Whether the 8-bit image is classified as the target."""
        return self.outcome == "success"


class Batch(NamedTuple):
    """Jobs under attack, a row each.

    Attributes:
        x: (B, 3, H, W) uint8, the present images.
        photo: likewise, before the attack.
        lowest: likewise, the least value that each may take.
        highest: likewise, the greatest; outside the region both are the photo's own.
        target: (B,) int64.
        memory: (B, 3, H, W) float32, what an algorithm keeps from step to step; zero before the first.
        reached: (B, 1, 1, 1) bool, whether x is a success.
    """

    x: Tensor
    photo: Tensor
    lowest: Tensor
    highest: Tensor
    target: Tensor
    memory: Tensor
    reached: Tensor

    @classmethod
    def of(cls, jobs: Sequence[Job], budget: int, device: torch.device) -> "Batch":
        """Jobs at their beginning; no channel may change by more than `budget`, in 1/255."""
        images = zip(*((job.rgb, *_bounds(job, budget)) for job in jobs), strict=True)
        photo, lowest, highest = (_stack(some, device) for some in images)
        target = torch.tensor([job.target for job in jobs], device=device)
        no = torch.zeros((len(jobs), 1, 1, 1), dtype=torch.bool, device=device)
        return cls(photo, photo, lowest, highest, target, torch.zeros_like(photo, dtype=torch.float32), no)

    def joined(self, other: "Batch") -> "Batch":
        """These rows, and then the other's."""
        return Batch(*map(torch.cat, zip(self, other, strict=True)))

    def rows(self, which: list[int]) -> "Batch":
        """Some of the rows."""
        return Batch(*(tensor[which] for tensor in self))


Step = Callable[[Batch, Tensor, int], Batch]
"""Moves a batch on: (batch, gradients of the targets' log-probabilities (B, 3, H, W), step in 1/255)."""


class Algorithm(NamedTuple):
    """How an attack moves on; `minimises` tells that it does so after a success, for a smaller change."""

    step: Step
    minimises: bool


ALGORITHMS: dict[str, Algorithm] = {}


def register(name: str, *, minimises: bool = False) -> Callable[[Step], Step]:
    """Register a function as an algorithm."""

    def add(step: Step) -> Step:
        ALGORITHMS[name] = Algorithm(step, minimises)
        return step

    return add


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An attack's settings; the defaults are the preset `argmax`.

    Attributes:
        algorithm: name of the algorithm; InputError where it is not known.
        step: size of a step, in 1/255.
        iterations: steps after which a job is given up.
        patience: steps within which the target's log-probability must rise by `progress` nats, or it is given up; one
            that minimises then goes on while the logarithm of the change's L2 norm falls as fast.
        progress: that rise.
        budget: largest change of a channel, in 1/255; 255 is none.
        confidence: softmax probability that the target must reach, besides being the predicted class.
    """

    algorithm: str = "bim"
    step: int = 4
    iterations: int = 150
    patience: int = 20
    progress: float = 0.1
    budget: int = 255
    confidence: float = 0.0

    def __post_init__(self) -> None:
        """Check the name."""
        if self.algorithm not in ALGORITHMS:
            raise InputError(f"--algorithm {self.algorithm}: unknown; known are {', '.join(ALGORITHMS)}")


def norm(images: Tensor, order: int) -> Tensor:
    """(B, 1, 1, 1) norms of (B, ...) images, never 0; summed in double, so that no batch's size is seen in float32."""
    found: Tensor = torch.linalg.vector_norm(images, ord=order, dim=(1, 2, 3), keepdim=True, dtype=torch.float64)
    return found.clamp_min(1e-12).float()


def _bounds(job: Job, budget: int) -> tuple[Bytes, Bytes]:
    rgb, inside = job.rgb.astype(np.int16), job.region.mask[..., None]
    least, greatest = np.maximum(rgb - budget, 0), np.minimum(rgb + budget, 255)
    return np.where(inside, least, rgb).astype(np.uint8), np.where(inside, greatest, rgb).astype(np.uint8)


def _stack(images: Sequence[Bytes], device: torch.device) -> Tensor:
    """(B, 3, H, W) uint8 on the device."""
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
