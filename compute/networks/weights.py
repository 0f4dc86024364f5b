"""State dicts: torchvision's own, their identity, and what they may hold."""

import hashlib
import urllib.error
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from compute.errors import InputError


def download(weights: Any, name: str) -> Mapping[str, Tensor]:
    """torchvision's weights from torch's cache, or from the network with a progress bar."""
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True, weights_only=True))
    except (urllib.error.URLError, OSError) as error:
        raise InputError(
            f"--classifier {name}: its weights cannot be downloaded from {weights.url} ({first_line(error)}); "
            "download them elsewhere and give the file with --weights"
        ) from error


def unusable(state: Mapping[str, Any]) -> str:
    """Which entry of a state dict is no plain tensor of finite numbers, in words; empty where all are."""
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            return f"{name} is no plain tensor (quantised, sparse, or without values)"
        if not tensor.isfinite().all():
            return f"{name} holds NaN or infinite values"
    return ""


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values: the same for a network however its weights were stored."""
    hashed = hashlib.sha256()
    for name, tensor in state.items():
        hashed.update(name.encode())
        hashed.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return hashed.hexdigest()


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
