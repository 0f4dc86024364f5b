"""What explainers in one process share: torch's settings, its functions and ours, and the surroundings of Python.

A setting of torch decides what passes compute: whoever leaves one changed has failed. The surroundings decide nothing,
since every draw has a seed of its own and every path was known at the beginning: they are put back without a word.
"""

import contextlib
import functools
import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.overrides import _pop_mode as pop_function_mode
from torch.utils._python_dispatch import _pop_mode as pop_dispatch_mode

from compute.explainers.guard.held import Held

Setting = tuple[Callable[[], Any], Callable[[Any], Any]]
"""How it is read, and how it is set."""


@functools.cache
def _namespaces() -> dict[str, Any]:
    """Where functions lie that passes and our own explainers call."""
    ours = [name for name in sys.modules if name.startswith("compute.")]
    modules = ("builtins", "numpy", "torch", "torch.autograd", "torch.nn.functional", *ours)
    return {name: sys.modules[name] for name in modules} | {"torch.Tensor": torch.Tensor}


class Shared:
    """torch's settings, and the functions of torch, NumPy and wolfspider, as they were when this was made."""

    def __init__(self) -> None:
        self._settings = {name: (_read(get), get, put) for name, (get, put) in _settings().items()}
        self._held = [Held(thing, name) for name, thing in _namespaces().items()]

    def changed(self) -> list[str]:
        """What is not as it was, in words."""
        found = [f"torch's {name}" for name, (was, get, _) in self._settings.items() if _read(get) != was]
        return found + [f"{held.where}.{name}" for held in self._held for name in held.changed()]

    def restore(self) -> None:
        """Make everything as it was, whatever was changed."""
        for held in self._held:
            held.restore()
        for was, get, put in self._settings.values():
            if _read(get) != was:
                put(was)


def _read(get: Callable[[], Any]) -> Any:
    try:
        return get()
    except RuntimeError as error:  # settings that contradict each other cannot be read
        return str(error)


@functools.cache
def _settings() -> dict[str, Setting]:
    """torch's settings by name, in the order in which they are put back."""
    functions, dispatches = torch._C._len_torch_function_stack, torch._C._len_torch_dispatch_stack
    found: dict[str, Setting] = {
        "default device": (_default_device, torch.set_default_device),
        "function modes": (functions, partial(_shorten, functions, pop_function_mode)),
        "dispatch modes": (dispatches, partial(_shorten, dispatches, pop_dispatch_mode)),
        "hooks of saved tensors": (_saved_hooks, _pop_saved_hooks),
        "inference mode": (torch.is_inference_mode_enabled, lambda _: None),  # ends with the guard's own
        "grad mode": (torch.is_grad_enabled, torch._C._set_grad_enabled),
        "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "number of threads": (torch.get_num_threads, torch.set_num_threads),
        "anomaly detection": (torch.is_anomaly_enabled, torch.set_anomaly_enabled),
        "deterministic algorithms": (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
        "flushing of denormals": (lambda: min(sys.float_info.min, 1.0) / 2 == 0, torch.set_flush_denormal),
        "autocast cache": (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    }
    for kind in ("cpu", "cuda"):
        found[f"autocast on {kind}"] = (
            partial(torch.is_autocast_enabled, kind),
            partial(torch.set_autocast_enabled, kind),
        )
        found[f"autocast dtype on {kind}"] = (
            partial(torch.get_autocast_dtype, kind),
            partial(torch.set_autocast_dtype, kind),
        )
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        enabled = getattr(torch.backends.cuda, f"{name}_sdp_enabled")
        found[f"{name} attention"] = (enabled, getattr(torch.backends.cuda, f"enable_{name}_sdp"))
    found |= _backend_flags()
    if hasattr(torch._C, "_get_fp32_precision_getter"):
        for pair in [(b, o) for b in ("cuda", "mkldnn") for o in ("all", "conv", "rnn", "matmul")]:
            get, put = torch._C._get_fp32_precision_getter, torch._C._set_fp32_precision_setter
            found[f"float32 precision of {' '.join(pair)}"] = (partial(get, *pair), partial(put, *pair))
    return found


def _backend_flags() -> dict[str, Setting]:
    """The flags behind `torch.backends` and their like: what torch's core both gets and sets, by that name."""
    found: dict[str, Setting] = {}
    for name in (n.removeprefix("_get_") for n in dir(torch._C) if n.startswith("_get_")):
        get, put = getattr(torch._C, f"_get_{name}"), getattr(torch._C, f"_set_{name}", None)
        with contextlib.suppress(TypeError, RuntimeError):  # those that take arguments are none
            if put is not None and name != "thread_name":
                get()
                found[name.replace("_", " ")] = (get, partial(_spread, put))
    return found


def _spread(put: Callable[..., Any], value: Any) -> None:
    put(*value) if isinstance(value, tuple) else put(value)


def _default_device() -> torch.device | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else context.device


def _shorten(length: Callable[[], int], pop: Callable[[], Any], to: int) -> None:
    while length() > to:
        pop()


def _saved_hooks() -> Any:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)


def _pop_saved_hooks(to: Any) -> None:
    while _saved_hooks() != to:
        torch._C._autograd._pop_saved_tensors_default_hooks()


@contextlib.contextmanager
def putting_back(*settings: Setting) -> Iterator[None]:
    """Afterwards they are as before."""
    with contextlib.ExitStack() as stack:  # goes on with the rest when one of them cannot be put back
        for get, put in settings:
            stack.callback(put, get())
        yield


def _torch_draws() -> Any:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), devices


def _put_torch_draws(states: Any) -> None:
    torch.set_rng_state(states[0])
    for device, state in enumerate(states[1]):
        torch.cuda.set_rng_state(state, device)


def _put_environment(was: dict[str, str]) -> None:
    if dict(os.environ) != was:
        os.environ.clear()
        os.environ.update(was)


def _put_filters(was: tuple[list[Any], Any]) -> None:
    if warnings.filters != was[0]:
        warnings.filters[:] = was[0]  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
    warnings.showwarning = was[1]


def _put_modules(was: dict[str, Any]) -> None:
    if any(sys.modules.get(name) is not module for name, module in was.items()):  # imports are welcome
        sys.modules.update(was)


def _handlers() -> dict[int, Any]:
    """Python's signal handlers; only the main thread can set them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: handler for number in signal.valid_signals() if (handler := signal.getsignal(number)) is not None}


def _put_handlers(was: dict[int, Any]) -> None:
    for number, handler in was.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _put_alarm(seconds: float) -> None:
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _streams() -> tuple[Any, ...]:
    return sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.displayhook


def _put_streams(was: tuple[Any, ...]) -> None:
    sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.displayhook = was


AT_IMPORT: tuple[Setting, ...] = (
    (random.getstate, random.setstate),
    (np.random.get_state, np.random.set_state),
    (_torch_draws, _put_torch_draws),
    (os.getcwd, os.chdir),
)
"""How what a module may not even change while it is imported is read and put back."""
SURROUNDINGS: tuple[Setting, ...] = (
    *AT_IMPORT,
    (np.geterr, lambda was: np.seterr(**was)),
    (np.geterrcall, np.seterrcall),
    (lambda: dict(os.environ), _put_environment),
    (lambda: list(sys.path), lambda was: sys.path.__setitem__(slice(None), was)),
    (lambda: dict(sys.modules), _put_modules),
    (lambda: (list(warnings.filters), warnings.showwarning), _put_filters),
    (_handlers, _put_handlers),
    (lambda: 0.0, _put_alarm),
    (_streams, _put_streams),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (gc.isenabled, lambda was: gc.enable() if was else gc.disable()),
)
"""How each is read and put back, the last one first."""
