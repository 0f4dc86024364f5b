"""Guided backpropagation (Springenberg et al. 2014), and the deconvolution before it (Zeiler and Fergus 2014).

`guided_backprop_hooks` is never refused: it is the well-known wrong answer, by name, so that the difference is seen.
"""

import copy
import warnings

from captum.attr import GuidedBackprop
from torch import Tensor

from compute.explainers.base import Priorities, Task, register
from compute.explainers.gradients.rectifiers import Deconvolved, Guided, Rectifiers, Rule
from compute.explainers.gradients.saliency import input_gradient, priorities
from compute.networks.threads import one_thread


def rectified_gradient(task: Task, rule: Rule, name: str) -> Tensor:
    """(3, H, W) gradient of the target's logit, with rectifiers that follow the rule of the explainer named.

    Raises:
        ValueError: the network has no ReLU, so that the result would be the plain gradient under a wrong name.
    """
    with task.exclusive, Rectifiers(rule) as mode:
        gradient = input_gradient(task)
    if mode.met == 0:
        raise ValueError(f"{name} needs ReLU, and this network has none: it would be the plain gradient")
    return gradient


@register("guided_backprop")
def guided_backprop(task: Task) -> Priorities:
    """Guided backpropagation (Springenberg et al. 2014): the gradient through rectifiers that stop negative ones."""
    return priorities(rectified_gradient(task, Guided.apply, "guided backpropagation"))


@register("deconvolution")
def deconvolution(task: Task) -> Priorities:
    """Deconvolution (Zeiler and Fergus 2014): guided backpropagation through closed rectifiers too."""
    return priorities(rectified_gradient(task, Deconvolved.apply, "deconvolution"))


@register("guided_backprop_hooks")
def guided_backprop_hooks(task: Task) -> Priorities:
    """Captum's guided backpropagation, by hooks on `nn.ReLU`: the plain gradient through any other rectifier."""
    with task.exclusive, one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        method = GuidedBackprop(copy.deepcopy(task.network))
        return priorities(method.attribute(task.image, target=task.target)[0].detach())
