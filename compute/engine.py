"""How passes run on this machine: device, batch, and the compiled network for LIME's forward passes."""

import dataclasses
import os
from collections.abc import Callable

import torch
from torch import Tensor

from compute.classifiers import Classifier
from compute.config import Config
from compute.errors import InputError

BATCH = {"cpu": 16, "cuda": 128}
GROUP = {"cpu": 4, "cuda": 28}


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


def resolved(config: Config, classifier: Classifier, *, photos: int) -> Config:
    """The configuration with every automatic choice made, from the configuration and the kind of device alone."""
    _ = photos
    device = classifier.device.type
    return dataclasses.replace(
        config,
        batch=config.batch or BATCH[device],
        group=config.group or GROUP[device],
        engine="eager" if config.engine == "auto" else config.engine,
    )


def workers(device: torch.device) -> int:
    """Threads that explain cases: enough to keep the network busy while others segment, fit and encode."""
    return min(os.cpu_count() or 1, 16) if device.type == "cuda" else 2


def probabilities(classifier: Classifier, config: Config) -> Callable[[Tensor], Tensor]:
    """(B, 3, H, W) in [0, 1] to (B, classes) softmax probabilities, without gradients."""
    _ = config

    def run(images: Tensor) -> Tensor:
        with torch.inference_mode():
            found: Tensor = classifier.network(images).softmax(dim=1)
            return found

    return run
