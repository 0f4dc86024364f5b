"""Attention rollout for vision transformers (Abnar and Zuidema 2020)."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from compute.explainers.base import Priorities, Task, register
from compute.explainers.cams.feature_map import upsampled
from compute.networks.threads import one_thread


class Attention(TorchFunctionMode):
    """While active, in this thread, keeps every attention matrix, averaged over heads: (tokens, tokens)."""

    def __init__(self) -> None:
        super().__init__()
        self.matrices: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func is F.multi_head_attention_forward:
            found = func(*args, **{**given, "need_weights": True, "average_attn_weights": True})
            self.matrices.append(found[1][0])
            return found
        if func is F.scaled_dot_product_attention:
            q, k = args[0], args[1]
            scale = given.get("scale") or 1 / math.sqrt(q.shape[-1])
            self.matrices.append((q @ k.transpose(-2, -1) * scale).softmax(dim=-1)[0].mean(dim=0))
        return func(*args, **given)


@register("attention_rollout")
def attention_rollout(task: Task) -> Priorities:
    """Attention rollout (Abnar and Zuidema 2020): what of the class token's attention began at a patch.

    It knows nothing of the class that is explained.

    Raises:
        ValueError: the network has no attention, or attention within windows, whose layers do not chain.
    """
    with (
        task.exclusive,
        one_thread(),
        torch.enable_grad(),
        Attention() as mode,
    ):  # with gradients, or fused kernels hide the weights
        task.network(task.image.requires_grad_())
    tokens = {m.shape for m in mode.matrices}
    if len(tokens) != 1:
        raise ValueError("attention rollout needs a transformer whose layers all attend over the same tokens")
    rolled = torch.eye(len(mode.matrices[0]), device=task.device)
    for matrix in mode.matrices:
        rolled = (matrix.detach() + torch.eye(len(matrix), device=task.device)) / 2 @ rolled
    patches = rolled[0, 1:]
    side = math.isqrt(len(patches))
    if side * side != len(patches):
        raise ValueError("attention rollout needs a class token before a square of patches")
    return np.asarray(upsampled(patches.view(side, side).float(), task))
