"""What a network from outside must be: found out with two images of noise, and said in one sentence."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from compute.networks.weights import first_line, unusable

SAME = 0.01
"""Largest change of the logits, relative to the largest, between two answers that should be the same."""

WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
"""Where `torch.compile` and those that spread batches over devices keep the network itself."""


class Unfit(Exception):
    """The network cannot be attacked and explained; says why, and what to do."""


class Logits(nn.Module):
    """A network that returns more than logits, or another shape or precision of them."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, classes) float32."""
        found: Tensor = _logits(self.body(x))
        return found.flatten(1).float() if found.shape[2:] == (1, 1) else found.float()


class Contiguous(nn.Module):
    """A network that `view`s its tensors, and so needs them in torch's plain layout."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """As the network itself."""
        logits: Tensor = self.body(x.contiguous())
        return logits


def copied(network: nn.Module) -> nn.Module:
    """A copy on the CPU, in float32, in eval mode and frozen, without what `torch.compile` and DataParallel add.

    Raises:
        Unfit: no torch module, or one whose weights are not there, cannot be copied, or are not numbers.
    """
    if not isinstance(network, nn.Module):
        raise Unfit(f"a {type(network).__name__} is no network; give a torch.nn.Module")
    while inside := WRAPPERS.get(type(network).__name__):
        network = getattr(network, inside)
    tensors = [*network.parameters(), *network.buffers()]
    if any(map(is_lazy, tensors)):
        raise Unfit("the network has lazy modules that have not seen an image yet; run it once, then load its weights")
    if any(tensor.is_meta for tensor in tensors):
        raise Unfit("the network is on the meta device, where weights have no values; load its weights first")
    try:
        with torch.no_grad():  # else TorchScript's copies would remember where they came from
            plain = copy.deepcopy(network).cpu().float().eval()
        for parameter in plain.parameters():  # TorchScript knows no requires_grad_ of modules
            parameter.requires_grad_(False)
    except Exception as error:  # a user's module may raise anything
        raise Unfit(f"the network cannot be copied ({_said(error)}); give one that copy.deepcopy can copy") from error
    if reason := unusable(plain.state_dict()):
        raise Unfit(f"the network's {reason}; give one whose weights are finite floating-point tensors")
    return plain


def as_logits(network: nn.Module, images: Tensor) -> tuple[nn.Module, int]:
    """The network, returning logits alone (`logits` of what it returns, or the first of several), and its classes.

    Raises:
        Unfit: it fails on the images, or what it returns are not logits of two or more classes.
    """
    output = _run(network, images)
    found = output if isinstance(output, Tensor) else _logits(output)
    if not isinstance(found, Tensor) or not found.is_floating_point():
        kind = f"a tensor of {found.dtype}" if isinstance(found, Tensor) else f"a {type(output).__name__}"
        raise Unfit(f"the network returns {kind}; let it return its logits, (images, classes) floating-point numbers")
    if found.shape[:1] != (len(images),) or (found.ndim != 2 and found.shape[2:] != (1, 1)):
        raise Unfit(
            f"the network returns {tuple(found.shape)} for {len(images)} images; let it return (images, classes) logits"
        )
    if found.shape[1] < 2:
        raise Unfit("the network has one output, so that no other class can be aimed at; let it return two logits")
    plain = found is output and found.ndim == 2 and found.dtype == torch.float32
    return network if plain else Logits(network), found.shape[1]


def admitted(network: nn.Module, images: Tensor) -> nn.Module:
    """The network on the images' device, in the layout in which it will run: channels-last where it works there.

    Raises:
        Unfit: its logits are not finite, have no gradient, or are not the same each time.
    """
    try:
        laid: nn.Module = network.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        _check(laid, images.contiguous(memory_format=torch.channels_last))
    except (Unfit, RuntimeError):
        laid = Contiguous(network.to(images.device, memory_format=torch.contiguous_format))  # type: ignore[call-overload]
        _check(laid, images)
    return laid


def _check(network: nn.Module, images: Tensor) -> None:
    """Raise `Unfit` unless the logits are finite, differentiable, and the same for an image each time."""
    leaf = images.clone().requires_grad_()
    with torch.enable_grad():
        logits = _run(network, leaf, grad=True)
        total = logits.sum()
    if not logits.isfinite().all():
        raise Unfit("the network's logits are not finite (NaN or infinite); its weights are damaged, or overflow")
    gradient = torch.autograd.grad(total, leaf, allow_unused=True)[0] if total.requires_grad else None
    if gradient is None or not gradient.any():
        raise Unfit(
            "the network's logits have no gradient by the image; "
            "take no_grad, detach, rounding and the like out of its forward"
        )
    if not gradient.isfinite().all():
        raise Unfit("the network's gradient is not finite (NaN or infinite); its weights are damaged, or overflow")
    for again, reason in (
        (images, "the same images twice; switch its randomness off in eval mode, as F.dropout(..., training=False)"),
        (images[:1], "an image alone and beside others; give normalisations running statistics"),
    ):
        found = _run(network, again)
        if found.shape[1:] != logits.shape[1:] or len(found) != len(again):
            raise Unfit(f"the network returns {tuple(found.shape)} for {len(again)} images; let it take any number")
        if not (found - logits[: len(again)]).abs().max() <= SAME * logits.abs().max():
            raise Unfit(f"the network answers differently to {reason}")


def _run(network: nn.Module, images: Tensor, *, grad: bool = False) -> Any:
    try:
        with torch.set_grad_enabled(grad):
            return network(images)
    except Exception as error:  # a user's module may raise anything
        raise Unfit(
            f"the network fails on images of {tuple(images.shape)} ({_said(error)}); it must take one batch of RGB "
            "images of any number: give the size that it was made for"
        ) from error


def _logits(output: Any) -> Any:
    if isinstance(output, Mapping):
        return output["logits"] if "logits" in output else next(iter(output.values())) if len(output) == 1 else None
    if hasattr(output, "logits"):
        return output.logits
    return output[0] if isinstance(output, Sequence) and output else output


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
