"""How passes run on this machine: device, batch, memory, and the fastest network for LIME's forward passes."""

import contextlib
import ctypes
import dataclasses
import os
import platform
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional as F

from compute.errors import InputError, Notice
from compute.networks.classifier import Classifier
from compute.networks.export import NotExportable, exported
from compute.networks.threads import cores, padded

Probabilities = Callable[[Tensor], Tensor]
"""(B, 3, H, W) in [0, 1] to (B, classes) float32 softmax probabilities, without gradients."""
BATCH = {"cpu": 16, "cuda": 256}
"""Images per pass, by kind of device. Fixed: a size found by timing would make the counts depend on chance."""
FASTER = {"cpu": ("onnxruntime", 2_000), "cuda": ("compiled", 50_000)}
"""The engine that is faster than eager torch, by kind of device, and the LIME passes from which making it repays."""
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


def device_name(device: torch.device) -> str:
    """The model of a GPU, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError, StopIteration):  # Linux: elsewhere, and on some boards, there is no such line
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Engine:
    """How passes without gradients run.

    Attributes:
        name: eager, compiled or onnxruntime; auto before it is resolved.
        precision: float32, or bfloat16 or float16 under autocast.
        batch: images per pass; 0 before it is resolved.
    """

    name: str = "auto"
    precision: str = "float32"
    batch: int = 0

    def resolved(self, device: str, *, passes: int) -> "Engine":
        """With every automatic choice made, from the kind of device and the number of passes to come."""
        faster, worth = FASTER[device]
        able = self.precision == "float32" or faster != "onnxruntime"
        name = self.name if self.name != "auto" else faster if able and passes >= worth else "eager"
        return Engine(name, self.precision, self.batch or BATCH[device])


def ready(classifier: Classifier, asked: Engine, *, passes: int) -> tuple[Engine, Probabilities]:
    """The engine as `resolved`, and its passes; eager ones for a network that cannot be exported.

    Raises:
        InputError: the engine was asked for by name, and the network, or the device, cannot run it.
    """
    if asked.name == "onnxruntime" and classifier.device.type != "cpu":
        raise InputError("--engine onnxruntime: runs on a CPU only; give --device cpu, or another engine")
    chosen = asked.resolved(classifier.device.type, passes=passes)
    try:
        return chosen, probabilities(classifier, chosen)
    except NotExportable as error:
        if asked.name != "auto":
            raise InputError(f"--engine {asked.name}: {classifier.name} cannot run on it ({error})") from error
        slower = f"{classifier.name} runs on eager torch, which is slower: ONNX Runtime cannot run it ({error})"
        warnings.warn(slower, Notice, stacklevel=2)
        chosen = dataclasses.replace(chosen, name="eager")
        return chosen, probabilities(classifier, chosen)


def tune() -> None:
    """Set this process up for many passes; call it once, before the first.

    Convolutions allocate and free hundreds of megabytes a pass. glibc gives them back to the kernel each time, which
    then zeroes them page by page: half of the time, on two cores. One arena that keeps its memory avoids that.
    oneDNN compiles each convolution anew for each batch size, and an attack meets all of them again and again as its
    attempts finish; its cache is too small for that.
    NumPy's matrices are small here, and the idle threads of their products would spin on into the next passes; on one
    thread, surrogates do not depend on the number of cores either.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4096")
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    threadpool_limits(1, user_api="blas")
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            for parameter, value in ((_M_TRIM_THRESHOLD, 2**31 - 1), (_M_MMAP_MAX, 0), (_M_ARENA_MAX, 1)):
                mallopt(parameter, value)


def explaining_threads(device: torch.device) -> int:
    """Threads that take turns at a GPU, so that others fit and encode meanwhile; 0: explain in the main thread.

    On a CPU a second thread that runs torch halts OpenMP's spinning in the first: 15 % of the passes, on two cores.
    """
    return min(cores(), 8) if device.type == "cuda" else 0


def preparing_threads() -> int:
    """Threads that segment: as many as this process has cores."""
    return cores()


def probabilities(classifier: Classifier, engine: Engine) -> Probabilities:
    """Passes of a resolved engine, of at most `engine.batch` images: the same bits for any number of threads.

    Raises:
        NotExportable: the engine is onnxruntime, and the network cannot run there.
    """
    if engine.name == "onnxruntime":
        return exported(classifier.network, classifier.example())
    network: Callable[[Tensor], Tensor] = classifier.network
    if engine.name == "compiled":
        network = _compiled(classifier.network, engine.batch)
    dtype = _AUTOCAST.get(engine.precision)

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode(), torch.autocast(classifier.device.type, dtype, enabled=dtype is not None):
            return network(padded(images))[: len(images)].float().softmax(dim=1)

    return run


def _compiled(network: nn.Module, batch: int) -> Callable[[Tensor], Tensor]:
    """The network compiled with frozen weights, for full batches; inductor keeps what it made in its cache on disk."""
    from torch._inductor import config as inductor

    inductor.freezing = True
    compiled: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False)

    def run(images: Tensor) -> Tensor:
        full = F.pad(images, (0, 0, 0, 0, 0, 0, 0, batch - len(images)))
        return compiled(full.contiguous(memory_format=torch.channels_last))[: len(images)]

    return run
