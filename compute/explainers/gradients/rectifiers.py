"""Rectifiers whose backward pass is another, intercepted as functions and not as modules.

torchvision's Inception v3 calls `F.relu` and holds no `nn.ReLU`, and EfficientNet-Lite uses ReLU6: module hooks on
`nn.ReLU`, as in Captum 0.9, then silently return the plain gradient.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_RELU = {torch.relu, torch.relu_, F.relu, torch.Tensor.relu, torch.Tensor.relu_}
_RELU6 = {F.relu6, torch._C._nn.relu6, torch._C._nn.relu6_}
_HARDTANH = {F.hardtanh, F.hardtanh_, torch._C._nn.hardtanh, torch._C._nn.hardtanh_}
_IN_PLACE = {torch.relu_, torch.Tensor.relu_, F.hardtanh_}
_IN_PLACE |= {torch._C._nn.relu6_, torch._C._nn.hardtanh_}

Rule = Callable[[Tensor, float, float], Tensor]
"""Called as `rule(x, low, high)`: clamps x between low and high; its backward is the explainer's own."""


class Guided(torch.autograd.Function):
    """Passes back positive gradients alone, where the rectifier was open (Springenberg et al. 2014)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        """Clamp, and keep where it was open."""
        ctx.save_for_backward((x > low) & (x < high))
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Positive gradients where it was open."""
        (open_,) = ctx.saved_tensors
        return gradients[0].clamp(min=0) * open_, None, None


class Deconvolved(torch.autograd.Function):
    """Passes back positive gradients alone, wherever they come from (Zeiler and Fergus 2014)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:  # noqa: ARG004 (autograd's signature)
        """Clamp."""
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ARG004
        """Positive gradients."""
        return gradients[0].clamp(min=0), None, None


class Rectifiers(TorchFunctionMode):
    """While active, in this thread, every ReLU, ReLU6 and non-negative hardtanh follows the rule.

    `met` counts them.
    """

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule
        self.met = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        bounds = _bounds(func, args, given)
        if bounds is None:
            return func(*args, **given)
        x = args[0] if args else given["input"]
        self.met += 1
        result = self.rule(x, *bounds)
        in_place = func in _IN_PLACE or given.get("inplace", False)
        # The caller may go on with the tensor it passed, so an in-place call must still change it.
        return x.copy_(result) if in_place else result


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
