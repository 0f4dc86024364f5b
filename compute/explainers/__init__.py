"""Registry of explainers. To add one: a file here with a decorated class or function, and its import below.

An explainer is called with a `Task` and returns either pixel priorities, (H, W) float, or `Superpixels`.
A function `f(task)` or a class whose instances are called `instance(task)` will do; `MODULE:NAME` names one outside.
"""

from compute.explainers import attention, captum, plain
from compute.explainers.base import EXPLAINERS, Explainer, Explanation, Superpixels, Task, resolve
from compute.explainers.baselines import oracle, prior, random
from compute.explainers.cams import gradient_cams, guided_grad_cam, score_cam
from compute.explainers.gradients import deep_lift, guided_backprop, noise, path, saliency
from compute.explainers.perturbation import ablation, glime, lime, rise, shapley

__all__ = ["EXPLAINERS", "Explainer", "Explanation", "Superpixels", "Task", "resolve"]
