"""DeepLift's rescale rule (Shrikumar et al. 2017), with rectifiers and max pooling intercepted as functions.

Captum 0.9 hooks modules: it misses ReLU6 and functions, is wrong where max pooling overlaps, and stops at reused ones.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from compute.explainers.base import Priorities, Task, register
from compute.explainers.gradients.path import summed
from compute.explainers.gradients.rectifiers import Rectifiers
from compute.networks.threads import one_thread

SMALLEST = 1e-6
"""Difference between image and baseline below which its quotient is taken to be the derivative."""
TOLERANCE, ROUNDING = 1e-3, 1e-5
"""How far the sum may be from what it explains: a share of that, and of the sum of magnitudes."""


def rescaled(x: Tensor, y: Tensor, slope: Tensor) -> Tensor:
    """The outputs y, with (difference of outputs) / (difference of inputs) as their gradient towards x.

    Args:
        x: inputs, a batch of image and baseline.
        y: outputs of the same shape.
        slope: the gradient where the inputs are the same.
    """
    inputs, outputs = (x[:1] - x[1:]).detach(), (y[:1] - y[1:]).detach()
    quotient = torch.where(inputs.abs() < SMALLEST, slope, outputs / inputs)
    return y.detach() + quotient * (x - x.detach())


def rectified(x: Tensor, low: float, high: float) -> Tensor:
    """Rectifiers by the rescale rule."""
    return rescaled(x, x.clamp(low, high), ((x[:1] > low) & (x[:1] < high)).to(x))


def pooled(x: Tensor, *args: Any, **given: Any) -> Tensor:
    """Max pooling by the rescale rule: the larger of both maxima answers for the difference, at its place."""
    y, places = F.max_pool2d(x, *args, **{**given, "return_indices": True})
    place = torch.where(y[:1] > y[1:], places[:1], places[1:]).expand_as(places)
    return rescaled(x.flatten(2).gather(2, place.flatten(2)).view_as(y), y, torch.ones_like(y[:1]))


class Rescaling(Rectifiers):
    """While active, in this thread, rectifiers and max pooling follow the rescale rule."""

    def __init__(self) -> None:
        super().__init__(rectified)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.max_pool2d:
            return pooled(*args, **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs)


@register("deep_lift")
def deep_lift(task: Task) -> Priorities:
    """DeepLift's rescale rule (Shrikumar et al. 2017) against black.

    Raises:
        ValueError: the result does not sum to the difference that it explains: there is something without a rule.
    """
    pair = torch.cat([task.image, task.image * 0]).requires_grad_()
    with task.exclusive, one_thread(), torch.enable_grad(), Rescaling():
        logits = task.network(pair)[:, task.target]
        (gradient,) = torch.autograd.grad(logits[0], pair)
    found = gradient[:1] * (pair[:1] - pair[1:]).detach()
    wanted = (logits[0] - logits[1]).detach()
    if (found.sum() - wanted).abs() > TOLERANCE * wanted.abs() + ROUNDING * found.abs().sum():
        raise ValueError("DeepLift has no rule for all of this network: the result does not sum to what it explains")
    return summed(found)
