"""Guided backpropagation (Springenberg et al. 2014): ReLUs pass back only positive gradients.

The rectifiers are intercepted as functions, not as modules: torchvision's Inception v3 calls `F.relu` and holds no
`nn.ReLU`, and module hooks then silently return the plain gradient.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from compute.explainers.base import Priorities, Task, register
from compute.explainers.saliency import input_gradient, priorities


class _Guided(torch.autograd.Function):
    """A rectifier whose backward also drops negative gradients; `low`, `high`: where its own derivative is 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward((x > low) & (x < high))
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (open_,) = ctx.saved_tensors
        return gradients[0].clamp(min=0) * open_, None, None


_RELU = {torch.relu, torch.relu_, F.relu, torch.Tensor.relu, torch.Tensor.relu_}
_RELU6 = {F.relu6, torch._C._nn.relu6, torch._C._nn.relu6_}
_HARDTANH = {F.hardtanh, F.hardtanh_, torch._C._nn.hardtanh, torch._C._nn.hardtanh_}
_IN_PLACE = {torch.relu_, torch.Tensor.relu_, F.hardtanh_}
_IN_PLACE |= {torch._C._nn.relu6_, torch._C._nn.hardtanh_}


class GuidedReLU(TorchFunctionMode):
    """While active, in this thread, every ReLU, ReLU6 and non-negative hardtanh is guided.

    `guided` counts the rectifiers met.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guided = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        bounds = self._bounds(func, args, given)
        if bounds is None:
            return func(*args, **given)
        x = args[0] if args else given["input"]
        self.guided += 1
        result = _Guided.apply(x, *bounds)
        in_place = func in _IN_PLACE or given.get("inplace", False)
        # The caller may go on with the tensor it passed, so an in-place call must still change it.
        return x.copy_(result) if in_place else result

    @staticmethod
    def _bounds(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[float, float] | None:
        if func in _RELU:
            return 0.0, float("inf")
        if func in _RELU6:
            return 0.0, 6.0
        if func in _HARDTANH:
            low = float(kwargs.get("min_val", args[1] if len(args) > 1 else -1.0))
            high = float(kwargs.get("max_val", args[2] if len(args) > 2 else 1.0))
            return (low, high) if low >= 0 else None
        return None


@register("guided_backprop")
def guided_backprop(task: Task) -> Priorities:
    """Pixels by the guided gradient of the target's logit.

    Raises:
        ValueError: the network has no ReLU, so that the result would be the plain gradient under a wrong name.
    """
    with task.exclusive, GuidedReLU() as mode:
        gradient = input_gradient(task)
    if mode.guided == 0:
        raise ValueError("guided backpropagation needs ReLU, and this network has none: it would be the plain gradient")
    return priorities(gradient)
