"""Registry of explainers. To add one: a file here with a decorated class or function, and its import below.

An explainer is called with a `Task` and returns either pixel priorities, (H, W) float, or `Superpixels`.
A function `f(task)` or a class whose instances are called `instance(task)` will do; `MODULE:NAME` names one outside.
"""

from compute.explainers import guided_backprop, lime, random, saliency
from compute.explainers.base import EXPLAINERS, Explainer, Explanation, Superpixels, Task, resolve

__all__ = [
    "EXPLAINERS",
    "Explainer",
    "Explanation",
    "Superpixels",
    "Task",
    "guided_backprop",
    "lime",
    "random",
    "resolve",
    "saliency",
]
