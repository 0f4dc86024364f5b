"""State dicts: from files, which are untrusted, and from torchvision; their identity."""

import hashlib
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

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


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, floating-point ones as float32. Nothing in the file is executed.

    Raises:
        InputError: no such file, or not a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            content: Any = load_file(path)
        else:
            content = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise InputError(f"--weights {path}: no such file") from error
    except Exception as error:  # unpicklers raise many types for damaged or hostile files
        raise InputError(f"--weights {path}: not a state dict that can be read safely ({first_line(error)})") from error
    if isinstance(content, dict):
        content = content.get("state_dict", content.get("model", content))
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"--weights {path}: holds no state dict (names and tensors)")
    return {k.removeprefix("module."): v.float() if v.is_floating_point() else v for k, v in content.items()}


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a state dict from a file into a network; InputError where it belongs to another architecture."""
    state, own = read_weights(path), network.state_dict()
    missing = [k for k in own if k not in state and not k.startswith("AuxLogits.")]
    unexpected = [k for k in state if k not in own]
    misshapen = [k for k in own if k in state and own[k].shape != state[k].shape]
    if missing or unexpected or misshapen:
        parts = (("missing", missing), ("unknown", unexpected), ("of another shape", misshapen))
        what = "; ".join(f"{len(names)} {kind} ({names[0]})" for kind, names in parts if names)
        raise InputError(f"--weights {path}: weights of another architecture: {what}")
    network.load_state_dict(state, strict=False)


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
