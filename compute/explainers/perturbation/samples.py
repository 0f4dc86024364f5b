"""Perturbed images and what the network answers: the passes of every explainer that hides parts of the image.

Images are composed on the device from a (samples x superpixels) matrix of draws, a full batch at a time.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from skimage.segmentation import quickshift
from torch import Tensor

from compute.explainers.base import Task

QUICKSHIFT = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2, "rng": 42}
"""lime's parameters. lime drops its own seed on the way to scikit-image, which then uses 42."""

Reals = npt.NDArray[np.float64]
Draws = npt.NDArray[np.integer]
Segments = npt.NDArray[np.integer]
Perturbed = Callable[[int, int], Tensor]
"""(B, 3, H, W): the perturbed images of some rows of draws."""


def superpixels(rgb: npt.NDArray[np.uint8]) -> Segments:
    """lime's superpixels of an (H, W, 3) uint8 image: (H, W) labels from 0."""
    return np.asarray(quickshift(rgb / 255.0, **QUICKSHIFT))


def segments_of(task: Task) -> Segments:
    """The superpixels of the image of a task whose explainer was registered with `prepare=superpixels`."""
    return superpixels(task.rgb) if task.prepared is None else np.asarray(task.prepared)


def hidden_image(image: Reals, segments: Segments) -> Reals:
    """(H, W, 3): every superpixel in its mean colour; image is float, or lime's means would be cut to whole numbers."""
    flat = segments.ravel()
    pixels = np.bincount(flat)
    means = [np.bincount(flat, weights=image[..., c].ravel()) / pixels for c in range(3)]
    return np.asarray(np.stack(means, axis=-1)[segments])


@torch.inference_mode()
def answers(task: Task, perturbed: Perturbed, count: int, name: str = "") -> Reals:
    """(count,) probabilities of the target; those of the other classes are kept for tasks about the same image.

    Args:
        task: whose `memory` the answers go to, and come from where they are there already.
        perturbed: composes images; not called where the answers are known.
        count: how many there are.
        name: of these images, where an explainer looks at several kinds.
    """
    if name not in task.memory:
        with task.exclusive:
            found = [
                task.probabilities(perturbed(start, min(start + task.batch, count)))
                for start in range(0, count, task.batch)
            ]
        known = torch.cat(found).cpu().numpy()
        if not np.isfinite(known).all():
            raise ValueError("the network's probabilities of some perturbed images are not finite (NaN)")
        task.memory[name] = known
    return np.asarray(task.memory[name][:, task.target], dtype=np.float64)


def drawn(task: Task, draws: Draws, segments: Segments, name: str = "") -> Reals:
    """(samples,) probability of the target for every row of draws (1: superpixel as it is, 0: in its mean colour)."""
    hidden = hidden_image(task.rgb / 255.0, segments)
    return answers(task, composed(task, draws, segments, hidden), len(draws), name)


def composed(task: Task, draws: Draws, segments: Segments, hidden: Reals) -> Perturbed:
    """The images of some rows of draws: superpixels of the image, or of `hidden`, (H, W, 3) in [0, 1]."""
    covered = torch.from_numpy(hidden).to(task.device, torch.float32).permute(2, 0, 1)[None].contiguous()
    compose = _on_gpu if task.device.type == "cuda" else _on_cpu
    return compose(task.image, covered, draws.astype(np.bool_), segments)


def _on_cpu(shown: Tensor, covered: Tensor, bits: npt.NDArray[np.bool_], segments: Segments) -> Perturbed:
    """In NumPy, on one thread: more of torch's would spin on into the pass, which has threads of its own.

    `np.where` would go from element to element; masks of all ones or none choose the same bits, vectorised.
    """
    background = covered.numpy().view(np.int32)
    difference = shown.numpy().view(np.int32) ^ background
    masks = -bits.astype(np.int32)

    def perturbed(start: int, stop: int) -> Tensor:
        chosen = masks[start:stop].take(segments.ravel(), axis=1).reshape(-1, 1, *segments.shape) & difference
        chosen ^= background
        return torch.from_numpy(chosen.view(np.float32))

    return perturbed


def _on_gpu(shown: Tensor, covered: Tensor, bits: npt.NDArray[np.bool_], segments: Segments) -> Perturbed:
    """On the device, where the bits have gone at once."""
    there = torch.from_numpy(bits).to(shown.device)
    index = torch.from_numpy(segments.astype(np.int64)).to(shown.device).view(1, -1)

    def perturbed(start: int, stop: int) -> Tensor:
        some = there[start:stop]
        keep = some.gather(1, index.expand(len(some), -1)).view(-1, 1, *segments.shape)
        return torch.where(keep, shown, covered)

    return perturbed
