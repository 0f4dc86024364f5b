"""BIM with momentum (MI-FGSM: Dong et al. 2018, Boosting adversarial attacks with momentum), targeted and localized."""

from torch import Tensor

from compute.attacks.base import Batch, norm, register
from compute.attacks.bim import bim

DECAY = 1.0
"""The paper's: what is remembered is the sum of all gradients, each of l1 norm 1."""


@register("momentum")
def momentum(batch: Batch, gradient: Tensor, step: int) -> Batch:
    """A step by the sign of what is remembered."""
    inside = gradient * (batch.lowest < batch.highest)
    memory = batch.memory * DECAY + inside / norm(inside, 1)
    return bim(batch, memory, step)._replace(memory=memory)
