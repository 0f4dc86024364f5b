"""Class activation maps whose weights come from the gradient at the last feature map.

With A the feature map and g the gradient of the target's logit there, both (channels, h, w).
"""

import torch

from compute.explainers.base import Priorities, Task, register
from compute.explainers.cams.feature_map import feature_map, upsampled


@register("grad_cam")
def grad_cam(task: Task) -> Priorities:
    """Grad-CAM (Selvaraju et al. 2017): ReLU(sum_k mean(g_k) A_k)."""
    values, gradient = feature_map(task)
    return upsampled((gradient.mean(dim=(1, 2), keepdim=True) * values).sum(dim=0).clamp(min=0), task)


@register("grad_cam_plus_plus")
def grad_cam_plus_plus(task: Task) -> Priorities:
    """Grad-CAM++ (Chattopadhay et al. 2018): ReLU(sum_k w_k A_k), w_k = sum(alpha ReLU(g_k)).

    alpha = g^2 / (2 g^2 + sum(A_k) g^3), place by place.
    """
    values, gradient = feature_map(task)
    bottom = 2 * gradient**2 + values.sum(dim=(1, 2), keepdim=True) * gradient**3
    alpha = torch.where(bottom != 0, gradient**2 / torch.where(bottom != 0, bottom, 1), 0)
    weights = (alpha * gradient.clamp(min=0)).sum(dim=(1, 2), keepdim=True)
    return upsampled((weights * values).sum(dim=0).clamp(min=0), task)


@register("hires_cam")
def hires_cam(task: Task) -> Priorities:
    """HiResCAM (Draelos and Carin 2020): ReLU(sum_k g_k A_k), place by place."""
    values, gradient = feature_map(task)
    return upsampled((gradient * values).sum(dim=0).clamp(min=0), task)


@register("layer_cam")
def layer_cam(task: Task) -> Priorities:
    """LayerCAM (Jiang et al. 2021): ReLU(sum_k ReLU(g_k) A_k)."""
    values, gradient = feature_map(task)
    return upsampled((gradient.clamp(min=0) * values).sum(dim=0).clamp(min=0), task)


@register("eigen_cam")
def eigen_cam(task: Task) -> Priorities:
    """EigenCAM (Muhammad and Yeasin 2020): the feature map's first principal component, in its mean's direction.

    It knows nothing of the class that is explained.
    """
    values, _ = feature_map(task)
    flat = values.flatten(1).T.double().cpu()
    centred = flat - flat.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    component = centred @ axes[0]
    component *= torch.sign((component * centred.mean(dim=1)).sum())
    return upsampled(component.view(values.shape[1:]).float(), task)
