"""Explainers that change what they should only observe, one a kind, and what is said of each."""
# mypy: disable-error-code="assignment, index, method-assign, misc, no-untyped-call, operator, union-attr"

import gc
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrizations
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import compute.explainers.gradients.saliency
from compute.explainers import Task

MEDDLERS: dict[str, tuple[Callable[[Task], Any], str | None]] = {}
"""What an explainer does before it returns a map, and what its failure says; None: what is put back without a word."""


def meddler(reason: str | None) -> Callable[[Callable[[Task], Any]], Callable[[Task], Any]]:
    def add(function: Callable[[Task], Any]) -> Callable[[Task], Any]:
        MEDDLERS[function.__name__] = function, reason
        return function

    return add


def conv(task: Task) -> Any:
    return task.network.get_submodule("body.0")


@meddler("changed values of weight of body.0")
def weights_in_place(task: Task) -> None:
    conv(task).weight.mul_(2)


@meddler("changed values of weight of body.0")
def weights_through_data(task: Task) -> None:
    conv(task).weight.data.add_(1e-3)


@meddler("changed values of weight of body.0")
def one_bit_through_numpy(task: Task) -> None:
    values = conv(task).weight.detach().numpy()
    values[0, 0, 0, 0] = np.nextafter(values[0, 0, 0, 0], 9, dtype=np.float32)


@meddler("changed values of weight of body.0")
def nan_weights(task: Task) -> None:
    conv(task).weight.fill_(float("nan"))


@meddler("changed weight of body.0")
def data_replaced(task: Task) -> None:
    conv(task).weight.data = torch.zeros_like(conv(task).weight)


@meddler("changed weight of body.0")
def parameter_replaced(task: Task) -> None:
    conv(task).weight = nn.Parameter(torch.zeros_like(conv(task).weight))


@meddler("changed weight of body.0")
def parameter_deleted(task: Task) -> None:
    del conv(task).weight


@meddler("changed values of weight of body.0|not resizable")
def storage_freed(task: Task) -> None:
    conv(task).weight.untyped_storage().resize_(0)


@meddler("changed values of .* and 11 more")
def state_loaded(task: Task) -> None:
    task.network.load_state_dict({k: v * 0 for k, v in task.network.state_dict().items()})


@meddler("changed mean of the network")
def buffer_replaced(task: Task) -> None:
    task.network.mean = torch.zeros(1, 3, 1, 1)


@meddler("changed values of mean of the network")
def buffer_in_place(task: Task) -> None:
    task.network.mean.fill_(0)


@meddler("changed more of body.0")
def buffer_registered(task: Task) -> None:
    conv(task).register_buffer("more", torch.zeros(1))


@meddler("changed forward hooks of body.0")
def hook_left(task: Task) -> None:
    conv(task).register_forward_hook(lambda module, inputs, output: output * 2)


@meddler("changed forward pre hooks of body.0")
def pre_hook_left(task: Task) -> None:
    conv(task).register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))


@meddler("changed .*backward hooks of body.0")
def backward_hook_left(task: Task) -> None:
    conv(task).register_full_backward_hook(lambda module, inputs, outputs: (inputs[0] * 2,))


@meddler("changed .*state dict hooks of the network")
def state_dict_hook_left(task: Task) -> None:
    task.network.register_state_dict_post_hook(lambda *_: None)


@meddler("changed global forward hooks of all modules")
def global_hook_left(task: Task) -> None:
    register_module_forward_hook(lambda module, inputs, output: output * 2)


@meddler("changed weight of body.0")
def tensor_hook_left(task: Task) -> None:
    conv(task).weight.requires_grad_().register_hook(lambda gradient: gradient * 2)


@meddler("changed torch's hooks of saved tensors")
def saved_tensors_hooks_left(task: Task) -> None:
    torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x).__enter__()


@meddler("changed 2 of body")
def module_replaced(task: Task) -> None:
    task.network.get_submodule("body")[2] = nn.Identity()


@meddler("changed modules of body|changed .* of body")
def module_appended(task: Task) -> None:
    task.network.get_submodule("body").append(nn.Softmax(dim=1))


@meddler("changed class of body.2")
def class_changed(task: Task) -> None:
    task.network.get_submodule("body.2").__class__ = nn.Tanh


@meddler("changed forward of body.0")
def forward_patched(task: Task) -> None:
    conv(task).forward = lambda x: x[:, :1].repeat(1, 8, 1, 1)[..., ::2, ::2]


@meddler("changed forward of class ReLU")
def forward_of_a_class_patched(task: Task) -> None:
    nn.ReLU.forward = lambda self, x: x


@meddler("changed .*call.* of class ReLU")
def call_added_to_a_class(task: Task) -> None:
    nn.ReLU.__call__ = lambda self, x: x


@meddler("changed stride of body.0")
def attribute_changed(task: Task) -> None:
    conv(task).padding, conv(task).stride = (1, 1), (1, 1)


@meddler("changed inplace of body.2")
def attribute_deleted(task: Task) -> None:
    del task.network.get_submodule("body.2").inplace


@meddler("changed mean of the network, std of the network, .* more")
def double(task: Task) -> None:
    task.network.double()


@meddler("changed mean of the network, std of the network, .* more")
def half(task: Task) -> None:
    task.network.half()


@meddler("changed mean of the network, std of the network, .* more")
def moved(task: Task) -> None:
    task.network.to("meta")


@meddler("changed training of the network")
def train(task: Task) -> None:
    task.network.train()


@meddler("changed weight of body.0")
def unfrozen(task: Task) -> None:
    task.network.requires_grad_()


@meddler("changed weight of body.0")
def gradients_left(task: Task) -> None:
    task.network.requires_grad_()
    task.network(task.image).sum().backward()
    task.network.requires_grad_(False)


@meddler("changed class of body.0")
def parametrized(task: Task) -> None:
    parametrizations.weight_norm(conv(task))


@meddler("changed torch's default dtype")
def default_dtype(task: Task) -> None:
    torch.set_default_dtype(torch.float64)


@meddler("changed torch's default device")
def default_device(task: Task) -> None:
    torch.set_default_device("meta")


@meddler("changed torch's grad mode")
def grad_mode(task: Task) -> None:
    torch.set_grad_enabled(False)


@meddler("changed torch's inference mode")
def inference_mode(task: Task) -> None:
    KEPT.append(torch.inference_mode())
    KEPT[-1].__enter__()


KEPT: list[Any] = []


@meddler("changed torch's autocast on cpu")
def autocast(task: Task) -> None:
    torch.autocast("cpu", torch.bfloat16).__enter__()


@meddler("changed torch's number of threads")
def threads(task: Task) -> None:
    torch.set_num_threads(2)


@meddler("changed torch's .*mkldnn enabled")
def mkldnn(task: Task) -> None:
    torch.backends.mkldnn.set_flags(False)


@meddler("changed torch's .*cudnn")
def cudnn(task: Task) -> None:
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = False


@meddler("changed torch's .*precision")
def matmul_precision(task: Task) -> None:
    torch.set_float32_matmul_precision("medium")


@meddler("changed torch's deterministic algorithms")
def deterministic(task: Task) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)


@meddler("changed torch's anomaly detection")
def anomaly(task: Task) -> None:
    torch.autograd.set_detect_anomaly(True)


@meddler("changed torch's flushing of denormals")
def denormals(task: Task) -> None:
    torch.set_flush_denormal(True)


class _Negative(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        return -found if isinstance(found, torch.Tensor) and found.is_floating_point() else found


@meddler("changed torch's function modes")
def function_mode_left(task: Task) -> None:
    _Negative().__enter__()


class _Nothing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@meddler("changed torch's dispatch modes")
def dispatch_mode_left(task: Task) -> None:
    _Nothing().__enter__()


@meddler("changed torch.nn.functional.relu")
def relu_patched(task: Task) -> None:
    F.relu = lambda x, inplace=False: x


@meddler("changed torch.Tensor.clamp")
def tensor_patched(task: Task) -> None:
    torch.Tensor.clamp = lambda self, *_, **__: self


@meddler("changed compute.explainers.gradients.saliency.input_gradient")
def ours_patched(task: Task) -> None:
    compute.explainers.gradients.saliency.input_gradient = lambda task: task.image[0]


@meddler("read-only")
def image_written(task: Task) -> None:
    task.rgb[:] = 0


@meddler(None)
def image_made_writable(task: Task) -> None:
    task.rgb.flags.writeable = True
    task.rgb[:] = 0
    task.image.fill_(0)


@meddler("left threads running: meddler")
def thread_left(task: Task) -> None:
    def meddle() -> None:
        while True:
            time.sleep(0.001)
            conv(task).weight.data.mul_(1.01)

    threading.Thread(target=meddle, name="meddler", daemon=True).start()


@meddler(None)
def draws(task: Task) -> None:
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


@meddler(None)
def folder(task: Task) -> None:
    os.chdir("/")


@meddler(None)
def environment(task: Task) -> None:
    os.environ["OMP_NUM_THREADS"] = "64"
    os.environ.pop("PATH", None)


@meddler(None)
def imports(task: Task) -> None:
    sys.path.insert(0, "/nowhere")
    del sys.modules["torch"]


@meddler(None)
def errors_of_numpy(task: Task) -> None:
    np.seterr(all="raise")


@meddler(None)
def filters(task: Task) -> None:
    warnings.simplefilter("error")
    warnings.showwarning = lambda *_, **__: sys.exit()


@meddler(None)
def streams(task: Task) -> None:
    sys.stdout.close()
    sys.stdout = sys.stderr = None


@meddler(None)
def handlers(task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, 0.05)


@meddler(None)
def interpreter(task: Task) -> None:
    sys.setrecursionlimit(200)
    gc.disable()


@meddler(None)
def turns(task: Task) -> None:
    task.exclusive.__enter__()


@meddler("ValueError: no idea; it changed training of the network")
def meddles_and_raises(task: Task) -> None:
    task.network.train()
    raise ValueError("no idea")
