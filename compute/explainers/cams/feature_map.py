"""The network's last feature map, and the gradient of the target's logit there."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compute.explainers.base import Priorities, Task
from compute.networks.threads import one_thread


class FeatureMap(NamedTuple):
    """Both (channels, h, w) on the network's device."""

    values: Tensor
    gradient: Tensor


def feature_map(task: Task) -> FeatureMap:
    """The last output of a module that still has a place for every part of the image, (C, h, w), and its gradient.

    Raises:
        ValueError: there is none, as in a transformer, whose last outputs are tokens.
    """
    made: list[Tensor] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.dim() > 2 and output[0, 0].numel() > 1:
            made[:] = [output]

    with task.exclusive, one_thread(), torch.enable_grad():  # the hooks with it: they would note another thread's pass
        handles = [module.register_forward_hook(note) for module in task.network.modules()]
        try:
            logit = task.network(task.image.requires_grad_())[0, task.target]
        finally:
            for handle in handles:
                handle.remove()
        if not made or (axis := _channels(made[0])) is None:
            raise ValueError("no feature map: the network's last outputs with places are no (channels, h, w)")
        (gradient,) = torch.autograd.grad(logit, made[0], allow_unused=True)
    if gradient is None:
        raise ValueError("no feature map: the prediction does not depend on the network's last output with places")
    return FeatureMap(made[0].detach().movedim(axis, 1)[0], gradient.movedim(axis, 1)[0])


def _channels(output: Tensor) -> int | None:
    """The axis of the channels: images are square, and so are maps of their places."""
    if output.dim() != 4:
        return None
    if output.shape[2] == output.shape[3]:
        return 1
    return 3 if output.shape[1] == output.shape[2] else None


def upsampled(weights: Tensor, task: Task) -> Priorities:
    """A map over places, (h, w), as a map over pixels, (H, W) float32: bilinear."""
    found = F.interpolate(weights[None, None], size=task.rgb.shape[:2], mode="bilinear", align_corners=False)
    return np.asarray(found[0, 0].float().cpu().numpy())
