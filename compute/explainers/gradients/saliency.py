"""Classic saliency: the gradient of the predicted class's logit (paper, section 3)."""

import numpy as np
import torch

from compute.explainers.base import Priorities, Task, register
from compute.networks.threads import one_thread


def input_gradient(task: Task) -> torch.Tensor:
    """(3, H, W) gradient of the target's logit with respect to the image in [0, 1]."""
    image = task.image.requires_grad_()
    with one_thread(), torch.enable_grad():
        logit = task.network(image)[0, task.target]
        (gradient,) = torch.autograd.grad(logit, image)
    return gradient[0]


def priorities(gradient: torch.Tensor) -> Priorities:
    """Negative gradients dropped, then the l1 norm over channels (paper, section 4): (3, H, W) to (H, W) float32."""
    return np.asarray(gradient.clamp(min=0).sum(dim=0).float().cpu().numpy())


@register("saliency")
def saliency(task: Task) -> Priorities:
    """Saliency (Simonyan et al. 2014): the gradient of the target's logit, negative ones dropped."""
    with task.exclusive:
        return priorities(input_gradient(task))
