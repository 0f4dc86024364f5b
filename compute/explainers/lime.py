"""LIME for images (Ribeiro et al. 2016): exactly the algorithm of lime 0.2.0.1's `LimeImageExplainer` at its defaults.

The perturbed images are composed on the device from the (samples x superpixels) matrix of draws, where lime builds
them one by one in Python; segmentation, draws, distances, kernel and surrogate are lime's own.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from lime.lime_base import LimeBase
from skimage.segmentation import quickshift
from sklearn.metrics import pairwise_distances
from torch import Tensor

from compute.explainers.base import Superpixels, Task, register
from compute.store.schema import N_SIZES

KERNEL_WIDTH = 0.25
QUICKSHIFT = {"kernel_size": 4, "max_dist": 200, "ratio": 0.2, "rng": 42}
"""lime's parameters. lime drops its own seed on the way to scikit-image, which then uses 42."""

Reals = npt.NDArray[np.float64]
Draws = npt.NDArray[np.integer]
Perturbed = Callable[[int, int], Tensor]
"""(B, 3, H, W): the perturbed images of some rows of draws."""


def kernel(distances: Reals) -> Reals:
    """lime's exponential kernel."""
    return np.sqrt(np.exp(-(distances**2) / KERNEL_WIDTH**2))


def hidden_image(image: Reals, segments: npt.NDArray[np.integer]) -> Reals:
    """(H, W, 3): every superpixel in its mean colour; image is float, or lime's means would be cut to whole numbers."""
    flat = segments.ravel()
    pixels = np.bincount(flat)
    means = [np.bincount(flat, weights=image[..., c].ravel()) / pixels for c in range(3)]
    return np.asarray(np.stack(means, axis=-1)[segments])


@torch.inference_mode()
def sample_probabilities(task: Task, draws: Draws, segments: npt.NDArray[np.integer], hidden: Reals) -> Reals:
    """(samples,) probability of the target for every row of draws (1: superpixel as it is, 0: hidden)."""
    covered = torch.from_numpy(hidden).to(task.device, torch.float32).permute(2, 0, 1)[None].contiguous()
    compose = _compose_on_gpu if task.device.type == "cuda" else _compose
    perturbed = compose(task.image, covered, draws.astype(np.bool_), segments)
    with task.exclusive:
        found = [
            task.probabilities(perturbed(start, start + task.batch))[:, task.target]
            for start in range(0, len(draws), task.batch)
        ]
        answers = np.asarray(torch.cat(found).double().cpu().numpy())
    if not np.isfinite(answers).all():
        raise ValueError("the network's probabilities of some perturbed images are not finite (NaN)")
    return answers


def _compose(
    shown: Tensor, covered: Tensor, bits: npt.NDArray[np.bool_], segments: npt.NDArray[np.integer]
) -> Perturbed:
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


def _compose_on_gpu(
    shown: Tensor, covered: Tensor, bits: npt.NDArray[np.bool_], segments: npt.NDArray[np.integer]
) -> Perturbed:
    """On the device, where the bits have gone at once."""
    there = torch.from_numpy(bits).to(shown.device)
    index = torch.from_numpy(segments.astype(np.int64)).to(shown.device).view(1, -1)

    def perturbed(start: int, stop: int) -> Tensor:
        some = there[start:stop]
        keep = some.gather(1, index.expand(len(some), -1)).view(-1, 1, *segments.shape)
        return torch.where(keep, shown, covered)

    return perturbed


def draw(task: Task, features: int) -> Draws:
    """(samples, features): lime's draws; the first row is the image itself."""
    draws = np.random.RandomState(task.seed).randint(0, 2, task.lime_samples * features)
    draws = draws.reshape(task.lime_samples, features)
    draws[0, :] = 1
    return draws


def fit(draws: Draws, probabilities: Reals) -> tuple[list[tuple[int, float]], float]:
    """lime's surrogate: (superpixel, weight) by decreasing magnitude, and its R2 on the samples."""
    distances = pairwise_distances(draws, draws[0].reshape(1, -1), metric="cosine").ravel()
    _, weights, r2, _ = LimeBase(kernel, random_state=0).explain_instance_with_data(
        draws, probabilities[:, None], distances, 0, num_features=100_000, feature_selection="auto"
    )
    return [(int(label), float(weight)) for label, weight in weights], float(r2)


def superpixels(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.integer]:
    """lime's superpixels of an (H, W, 3) uint8 image: (H, W) labels from 0."""
    return np.asarray(quickshift(rgb / 255.0, **QUICKSHIFT))


@register("lime", prepare=superpixels)
def lime(task: Task) -> Superpixels:
    """Superpixels by the weight that a local linear surrogate gives them; only positive ones speak for the target."""
    segments = superpixels(task.rgb) if task.prepared is None else task.prepared
    draws = draw(task, int(segments.max()) + 1)
    probabilities = sample_probabilities(task, draws, segments, hidden_image(task.rgb / 255.0, segments))
    weights, r2 = fit(draws, probabilities)
    positive = [(label, weight) for label, weight in weights if weight > 0]
    diagnostics = {
        "superpixels": draws.shape[1],
        "positive": len(positive),
        "r2": round(r2, 6),
        "weights": [round(weight, 6) for _, weight in positive[:N_SIZES]],
    }
    return Superpixels(segments, [label for label, _ in positive], diagnostics)
