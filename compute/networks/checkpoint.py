"""Files of weights, which are untrusted: what they really are, and the state dict in what frameworks write."""

import argparse
import re
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compute.errors import InputError
from compute.networks.weights import unusable

WRAPPERS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema"),
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "params", "weights"),
)
"""Names under which frameworks keep a state dict, the averaged weights first, as timm prefers them."""
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.float64().__reduce__()[0],
    *map(type, map(np.dtype, "fdilqB?")),
]
"""What training scripts write beside the tensors; none of it runs code."""
_SAVE = "save the network's state_dict() with torch.save and give that file"
_KINDS = {
    rb"\Z": "an empty file; get it again",
    rb"version https://git-lfs": "a Git LFS pointer, not the file itself; run `git lfs pull`",
    rb"\s*<(!doctype|html|head|\?xml)": "a page of HTML, not the file that it links to; download that",
    rb"\s*[{\[]": "a text file (JSON), not weights; give the file of weights itself",
    rb"\x89HDF": f"an HDF5 file, as Keras writes; {_SAVE}",
    rb"\x93NUMPY": f"a NumPy array; {_SAVE}",
    rb"GGUF": f"a GGUF file; {_SAVE}",
    rb".{4}TFL3": f"a TensorFlow Lite file; {_SAVE}",
    rb"\x08[\x01-\x20]\x12": f"an ONNX file; {_SAVE}",
    rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|.{257}ustar": "an archive; unpack it first",
    rb"\x89PNG|\xff\xd8\xff|GIF8": "a picture; give a file of weights",
}
"""Files that are often given instead of weights, by how they begin."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict, floating-point ones as float32. Nothing in the file is executed.

    Raises:
        InputError: no such file, or what it is instead of a state dict, and what to do.
    """
    try:
        content = _content(path)
    except FileNotFoundError as error:
        raise InputError(f"--weights {path}: no such file") from error
    except OSError as error:
        raise InputError(f"--weights {path}: cannot be read ({error.strerror or error})") from error
    if not (found := _tensors(content)):
        raise InputError(f"--weights {path}: holds no state dict (names and tensors); {_SAVE}")
    if reason := unusable(found):
        raise InputError(f"--weights {path}: damaged or not for computing with: {reason}; give another file")
    return found


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a state dict from a file into a network; InputError where it belongs to another architecture."""
    own = network.state_dict()
    state = _unwrapped(read_weights(path), own, path)
    missing = [k for k in _needed(own) if k not in state]
    unexpected = [k for k in state if k not in own]
    misshapen = [k for k in own if k in state and own[k].shape != state[k].shape]
    counts = {(state[k].shape[:1], own[k].shape[:1]) for k in misshapen}
    if len(counts) == 1 and len(set(*counts)) == 2 and not missing and not unexpected:
        ((have,), (want,)) = counts.pop()
        raise InputError(
            f"--weights {path}: weights for {have} classes where {want} are expected ({misshapen[0]}); "
            "build the network for them in Python and hand it to Classifier.of"
        )
    if missing or unexpected or misshapen:
        parts = (("missing", missing), ("unknown", unexpected), ("of another shape", misshapen))
        what = "; ".join(f"{len(names)} {kind} ({names[0]})" for kind, names in parts if names)
        raise InputError(
            f"--weights {path}: weights of another architecture: {what}; give --classifier the one they belong to"
        )
    network.load_state_dict(state, strict=False)


def _tensors(content: Any) -> dict[str, Tensor]:
    """The state dict in what a framework wrote; floating-point tensors as float32."""
    if not isinstance(content, Mapping):
        return {}
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            return _tensors(content[wrapper])
    named = {k: v.detach() for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in named.items()}


def _needed(own: Mapping[str, Tensor]) -> list[str]:
    """Names without which no network runs; old files lack the counters, and heads for training may be left out."""
    return [k for k in own if not k.startswith("AuxLogits.") and not k.endswith(".num_batches_tracked")]


def _unwrapped(state: dict[str, Tensor], own: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The state dict under the network's own names: without what wrappers put before them.

    What stands beside the prefix belongs to the training: losses, other heads.
    """
    state = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    needed = _needed(own)
    first = needed[0]
    prefixes = [name.removesuffix(first) for name in state if name == first or name.endswith(f".{first}")]
    whole = [p for p in prefixes if all(p + name in state for name in needed)]
    if len(whole) > 1:
        raise InputError(f"--weights {path}: holds several networks ({', '.join(whole)}); save one of them alone")
    prefix = (whole or prefixes or [""])[0]
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _content(path: Path) -> Any:
    """What a file holds, read without running any of it; InputError names what it really is."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"--weights {path}: a {'folder' if path.is_dir() else 'device or pipe'}; give a file")
    with path.open("rb") as file:
        head = file.read(512)
    safetensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32
    if not safetensors and (reason := _other(path, head)):
        raise InputError(f"--weights {path}: {reason}")
    try:
        if safetensors:
            return load_file(path)
        with path.open("rb") as file, torch.serialization.safe_globals(_HARMLESS):
            return torch.load(file, weights_only=True, map_location="cpu")
    except OSError:
        raise
    except Exception as error:  # unpicklers raise many types; what torch says advises to load without care
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = (
            f"holds Python objects ({named[1]}), not only tensors, and is not read; {_SAVE}"
            if named
            else "not a state dict that can be read safely, or damaged or cut short; get it again"
        )
        raise InputError(f"--weights {path}: {reason}") from error


def _other(path: Path, head: bytes) -> str:
    """What a file is that is known not to hold a state dict, and what to do; else empty."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            return "a TorchScript network; hand torch.jit.load of it to Classifier.of"
        if not any(name.endswith("data.pkl") for name in names):
            return f"a zip archive, but none of torch's (it holds {', '.join(names[:2]) or 'nothing'}); {_SAVE}"
        return ""
    text = head.removeprefix(b"\xef\xbb\xbf")
    return next((reason for kind, reason in _KINDS.items() if re.match(kind, text, re.DOTALL | re.IGNORECASE)), "")
