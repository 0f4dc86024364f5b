"""Bits that do not depend on the number of threads.

On a CPU, torch and oneDNN choose a convolution's algorithm by the size of the batch and the number of threads: torch
leaves 1 x 1 convolutions to oneDNN from 16 images on, or where there are several threads; oneDNN computes blocks of
four images alike. Measured with 1, 2, 4, 8 and 16 threads: each image's logits and gradients were then the same bits.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

PATIENT: Mapping[str, str] = {"OMP_WAIT_POLICY": "passive"}
"""The environment of a process whose threads do not spin while they wait, so that one core can have several."""
_taken = (0, 0)  # cores, and torch's threads that stand for them


def take(cores: int) -> None:
    """Use so many cores from now on.

    With one core, and patient threads, torch gets two of them: they take their turns, and few images need not be padded
    to 16; four take a quarter of the time.
    """
    global _taken  # noqa: PLW0603 (as torch's own number is)
    patient = all(os.environ.get(name) == value for name, value in PATIENT.items())
    _taken = (cores, max(cores, 2) if patient else cores)
    torch.set_num_threads(_taken[1])


def cores() -> int:
    """How many cores this process uses."""
    threads = torch.get_num_threads()
    return _taken[0] if threads == _taken[1] else threads


def padded(images: Tensor) -> Tensor:
    """(B, ...) images and, on a CPU, copies of the first: as many as make every image's bits those of any other run."""
    whole = 16 if torch.get_num_threads() == 1 else 4
    more = -len(images) % whole if images.device.type == "cpu" else 0
    return torch.cat([images, images[:1].expand(more, *images.shape[1:])]) if more else images


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: for single images, which several hardly speed up, cheaper than padding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
