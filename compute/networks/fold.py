"""Batch normalisation folded into the convolution before it: the same function in fewer passes over memory.

It makes eager passes on a CPU about as fast as compiled ones, forward and backward. `torch.fx` does the same to
networks that it can trace; timm's "same" padding cannot be traced, so the pairs are found by watching one pass.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

TOLERANCE = 1e-4
"""Largest relative change of the logits that rounding may explain; beyond it the network is left as it was."""


def folded(network: nn.Module, example: Tensor) -> nn.Module:
    """A copy of a network in eval mode with its batch normalisations folded, where that leaves the logits as they are.

    Args:
        network: is not changed.
        example: (B, 3, H, W), an input to compare the logits at.
    """
    candidate = copy.deepcopy(network)
    with torch.no_grad():
        before = network(example)
    for conv, norm in _pairs(candidate, example):
        _fold(candidate, conv, norm)
    with torch.no_grad():
        after = candidate(example)
    # A convolution whose output also goes elsewhere, or which runs twice, must not be folded: the logits tell.
    same = torch.allclose(before, after, rtol=0, atol=TOLERANCE * float(before.abs().max()))
    return candidate if same else copy.deepcopy(network)


@torch.no_grad()
def _pairs(network: nn.Module, example: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Batch normalisations, and the convolutions whose very output they were given."""
    made: list[tuple[nn.Conv2d, Tensor]] = []
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d) and "weight" in module._parameters:  # else it is made anew in each pass
            made[:] = [(module, output)]

    def match(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats and made and made[0][1] is inputs[0]:
            found.append((made[0][0], module))

    watched = [module for module in network.modules() if not isinstance(module, torch.jit.ScriptModule)]
    handles = [module.register_forward_hook(note) for module in watched]
    handles += [module.register_forward_pre_hook(match) for module in watched]
    try:
        network(example)
    finally:
        for handle in handles:
            handle.remove()
    return found


def _fold(network: nn.Module, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    conv.weight = nn.Parameter(weight.detach(), requires_grad=False)
    conv.bias = nn.Parameter(bias.detach(), requires_grad=False)
    # timm's normalisation holds its activation; it stays behind, as the module that it is.
    rest = norm.act if isinstance(getattr(norm, "act", None), nn.Module) else nn.Identity()
    for parent in network.modules():
        for name, child in parent.named_children():
            if child is norm:
                setattr(parent, name, rest)
