"""Gradients along a path from a baseline to the image, by Captum 0.9; signed, summed over channels."""

import torch
from captum.attr import GradientShap, InputXGradient, IntegratedGradients
from torch import Tensor

from compute.explainers.base import Priorities, Task, register
from compute.networks.threads import one_thread

STEPS = 64
"""Of the path: whole batches on every kind of device."""


def summed(attribution: Tensor) -> Priorities:
    """(1, 3, H, W) to (H, W) float32: the sum over channels, signed."""
    found: Priorities = attribution[0].sum(dim=0).detach().float().cpu().numpy()
    return found


@register("input_x_gradient")
def input_x_gradient(task: Task) -> Priorities:
    """Input times gradient (Shrikumar et al. 2016)."""
    with task.exclusive, one_thread():
        return summed(InputXGradient(task.network).attribute(task.image.requires_grad_(), target=task.target))


@register("integrated_gradients")
def integrated_gradients(task: Task) -> Priorities:
    """Integrated gradients (Sundararajan et al. 2017) from black, by Gauss-Legendre quadrature."""
    with task.exclusive:
        method = IntegratedGradients(task.network)
        return summed(
            method.attribute(
                task.image, baselines=0.0, target=task.target, n_steps=STEPS, internal_batch_size=task.batch
            )
        )


@register("gradient_shap", draws=True)
def gradient_shap(task: Task) -> Priorities:
    """Expected gradients (Erion et al. 2021; Captum's GradientShap) between black and white, with a little noise."""
    ends = torch.stack([torch.zeros_like(task.image[0]), torch.ones_like(task.image[0])])
    total = torch.zeros_like(task.image)
    with task.exclusive, task.seeded():
        for _ in range(STEPS // 16):
            found = GradientShap(task.network).attribute(
                task.image, baselines=ends, target=task.target, n_samples=16, stdevs=0.1
            )
            total += found.detach()
    return summed(total)
