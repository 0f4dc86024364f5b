"""Targeted, localized BIM (paper, section 2): x' = clip(x - step * M * sign(grad CE(f(x), target)))."""

import torch
from torch import Tensor

from compute.attacks.base import Batch, register


@register("bim")
def bim(batch: Batch, gradient: Tensor, step: int) -> Batch:
    """A step by the gradient's sign, in whole numbers of 1/255; the bounds hold everything outside the region."""
    moved = gradient.sign().to(torch.int16).mul_(step).add_(batch.x).clamp_(batch.lowest, batch.highest)
    return batch._replace(x=moved.to(torch.uint8))
