"""How passes run on this machine: device, batch, memory, and the fastest network for LIME's forward passes."""

import ctypes
import dataclasses
import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from compute.classifiers import Classifier
from compute.config import Config
from compute.errors import InputError

BATCH = {"cpu": 16, "cuda": 256}
"""Images per pass, by kind of device. Fixed: a size found by timing would make the counts depend on chance."""
GROUP = {"cpu": 4, "cuda": 56}
"""Photos whose attempts share batches."""
COMPILE_FROM = 50_000
"""LIME passes from which compiling repays itself on a GPU; on a CPU, folded eager passes are about as fast."""
_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def device_of(name: str) -> torch.device:
    """The device that a name means; auto takes a GPU where there is one.

    Raises:
        InputError: an unknown device, or one that this machine lacks.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"--device {name}: unknown; give auto, cpu, cuda or cuda:N") from error
    if device.type not in BATCH:
        raise InputError(f"--device {name}: only cpu and cuda are supported")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"--device {name}: no CUDA device is available here; give cpu or auto")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA device(s)")
    return device


def resolved(config: Config, device: str, *, photos: int) -> Config:
    """The configuration with every automatic choice made, from itself, the kind of device and the number of photos."""
    passes = photos * config.regions * config.lime_samples * ("lime" in config.explainers)
    compiled = device == "cuda" and passes >= COMPILE_FROM
    return dataclasses.replace(
        config,
        batch=config.batch or BATCH[device],
        group=config.group or GROUP[device],
        engine=config.engine if config.engine != "auto" else "compiled" if compiled else "eager",
    )


def tune() -> None:
    """Set this process up for many passes; call it once, before the first.

    Convolutions allocate and free hundreds of megabytes a pass. glibc gives them back to the kernel each time, which
    then zeroes them page by page: half of the time, on two cores. One arena that keeps its memory avoids that.
    """
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for parameter, value in ((_M_TRIM_THRESHOLD, 2**31 - 1), (_M_MMAP_MAX, 0), (_M_ARENA_MAX, 1)):
                mallopt(parameter, value)


def explaining_threads(device: torch.device) -> int:
    """Threads that take turns at a GPU, so that others fit and encode meanwhile; 0: explain in the main thread.

    On a CPU a second thread that runs torch halts OpenMP's spinning in the first: 15 % of the passes, on two cores.
    """
    return min(os.cpu_count() or 1, 8) if device.type == "cuda" else 0


def preparing_threads(device: torch.device) -> int:
    """Threads that segment ahead of the network."""
    return os.cpu_count() or 1 if device.type == "cuda" else 1


def probabilities(classifier: Classifier, config: Config) -> Callable[[Tensor], Tensor]:
    """(B, 3, H, W) in [0, 1] to (B, classes) float32 softmax probabilities, without gradients; B <= `config.batch`.

    The engine and precision are the configuration's; a compiled network always runs full batches.
    """
    compiled = config.engine == "compiled"
    network = _compiled(classifier) if compiled else classifier.network
    dtype = _AUTOCAST.get(config.precision)

    def run(images: Tensor) -> Tensor:
        count = len(images)
        if compiled and count < config.batch:
            images = F.pad(images, (0, 0, 0, 0, 0, 0, 0, config.batch - count))
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast(classifier.device.type, dtype, enabled=dtype is not None):
            found: Tensor = network(images)[:count].float().softmax(dim=1)
        return found

    return run


def _compiled(classifier: Classifier) -> Callable[[Tensor], Tensor]:
    """The network compiled with its weights frozen; inductor keeps what it made in its cache on disk."""
    from torch._inductor import config as inductor

    inductor.freezing = True
    compiled: Callable[[Tensor], Tensor] = torch.compile(classifier.network, dynamic=False)
    return compiled
