"""Causal checks, possible only here: the unattacked photo is the perfect counterfactual of the attacked one.

*Restoration* pastes the photo's own pixels back into P_n: does the prediction of the target fall? *Transplant* pastes
the attacked pixels of P_n alone into the photo: does the target appear? A region's *sufficiency* is what remains of the
target where everything outside it is hidden.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from compute.scoring.entry import EntryMap
from compute.store.schema import CHECKED

BLUR = 12 / 224
"""Width of the blur that hides, as a share of the image's side."""

Bytes = npt.NDArray[np.uint8]
Probabilities = Callable[[Tensor], Tensor]


class Checked(NamedTuple):
    """By n in `CHECKED`: the target's probability, and whether it is predicted."""

    restored: tuple[float, ...]
    undone: tuple[bool, ...]
    transplanted: tuple[float, ...]
    appeared: tuple[bool, ...]


def check(
    entry: EntryMap, attacked: Bytes, photo: Bytes, target: int, probabilities: Probabilities, device: torch.device
) -> Checked:
    """Restoration and transplant of the growing explanations of an entry map, in one batch of passes.

    Args:
        entry: (H, W) entry map.
        attacked: (H, W, 3) uint8, the adversarial example.
        photo: (H, W, 3) uint8, the photo before the attack.
        target: the class that is explained.
        probabilities: passes of at least twelve images.
        device: where they run.

    Raises:
        ValueError: a probability that is not finite.
    """
    chosen = np.stack([(entry > 0) & (entry <= n) for n in CHECKED])[..., None]
    images = np.concatenate([np.where(chosen, photo, attacked), np.where(chosen, attacked, photo)])
    p, won = _answers(images, target, probabilities, device)
    half = len(CHECKED)
    return Checked(p[:half], tuple(not w for w in won[:half]), p[half:], won[half:])


def sufficiency(
    attacked: Bytes, region: npt.NDArray[np.bool_], target: int, probabilities: Probabilities, device: torch.device
) -> tuple[float, float]:
    """The target's probability with everything outside the region hidden: in its mean colour, and behind a blur."""
    outside = ~region
    plain = attacked.copy()
    if outside.any():
        plain[outside] = attacked[outside].mean(axis=0).round().astype(np.uint8)
    sigma = BLUR * attacked.shape[0]
    blurred = gaussian_filter(attacked.astype(np.float32), (sigma, sigma, 0)).round().clip(0, 255).astype(np.uint8)
    images = np.stack([plain, np.where(region[..., None], attacked, blurred)])
    (mean, blur), _ = _answers(images, target, probabilities, device)
    return mean, blur


def _answers(
    images: Bytes, target: int, probabilities: Probabilities, device: torch.device
) -> tuple[tuple[float, ...], tuple[bool, ...]]:
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().div_(255)
    p = probabilities(x)
    if not p.isfinite().all():
        raise ValueError("the network's probabilities of images that were pasted together are not finite (NaN)")
    return tuple(p[:, target].tolist()), tuple((p.argmax(dim=1) == target).tolist())
