"""The smallest change (paper, equation 1): BIM to the first success, and from there DDN, which minimises the L2 norm.

DDN (Rony et al. 2019, Decoupling direction and norm) steps along the gradient, then sets the norm of the change: a
little less where it succeeds, a little more where it does not. The change is kept in full precision, and rounded to
the 8-bit image that the network sees.
"""

import torch
from torch import Tensor

from compute.attacks.base import Batch, norm, register
from compute.attacks.bim import bim

GAMMA = 0.05
"""By how much the norm is changed (the paper's)."""
SHARE = 0.3
"""Length of a step along the gradient, of the norm."""


@register("smallest", minimises=True)
def smallest(batch: Batch, gradient: Tensor, step: int) -> Batch:
    """A step of BIM before the first success, and of DDN after it."""
    before = bim(batch, gradient, step).x
    begins = (batch.memory == 0).all(dim=(1, 2, 3), keepdim=True)
    change = torch.where(begins, batch.x.float() - batch.photo, batch.memory)
    size = norm(change, 2)
    inside = gradient * (batch.lowest < batch.highest)
    change = change + inside * (SHARE * size / norm(inside, 2))
    change = change * (size * torch.where(batch.reached, 1 - GAMMA, 1 + GAMMA) / norm(change, 2))
    moved = (change + batch.photo).clamp(batch.lowest, batch.highest)
    return batch._replace(
        x=torch.where(batch.found, moved.round().to(torch.uint8), before),
        memory=torch.where(batch.found, moved - batch.photo, 0),
    )
