"""Guided Grad-CAM (Selvaraju et al. 2017): guided backpropagation, weighed by Grad-CAM."""

import numpy as np

from compute.explainers.base import Priorities, Task, register
from compute.explainers.cams.gradient_cams import grad_cam
from compute.explainers.gradients.guided_backprop import guided_backprop


@register("guided_grad_cam")
def guided_grad_cam(task: Task) -> Priorities:
    """Guided Grad-CAM (Selvaraju et al. 2017): guided backpropagation's map times Grad-CAM's."""
    return np.asarray(np.asarray(guided_backprop(task)) * np.asarray(grad_cam(task)))
