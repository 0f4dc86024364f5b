"""The smallest change (paper, equation 1) by DDN (Rony et al. 2019, Decoupling direction and norm).

A step goes along the gradient; then the norm of the change is set, a little smaller than before where the image
succeeds, and a little larger where it does not. The change is kept in full precision, and rounded to the 8-bit image
that the network sees. The length of a step follows from the norm: `--step` says nothing here.
"""

import torch
from torch import Tensor

from compute.attacks.base import Batch, norm, register

FIRST = 255.0
"""Norm of the first change: 1, with channels in 0..1 (the paper's)."""
GAMMA = 0.05
"""Share by which the norm is changed (the paper's)."""
SHARE = 0.1
"""Length of a step along the gradient, as a share of the norm."""


@register("smallest", minimises=True)
def smallest(batch: Batch, gradient: Tensor, _: int) -> Batch:
    """A step of DDN."""
    begun = (batch.memory != 0).any(dim=(1, 2, 3), keepdim=True)
    size = torch.where(begun, norm(batch.memory, 2), FIRST)
    inside = gradient * (batch.lowest < batch.highest)
    change = batch.memory + inside * (SHARE * size / norm(inside, 2))
    change = change * (size * torch.where(batch.reached, 1 - GAMMA, 1 + GAMMA) / norm(change, 2))
    moved = (change + batch.photo).clamp(batch.lowest, batch.highest)
    return batch._replace(x=moved.round().to(torch.uint8), memory=moved - batch.photo)
