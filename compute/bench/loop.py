"""What a user would write without wolfspider: the benchmark's other side, run in a fresh process of its own.

A BIM per region, lime's `LimeImageExplainer` at its defaults, Captum's Saliency and GuidedBackprop, on the network as
it comes: no folding, no channels-last, no batches across regions.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from compute.attacks import Job, Settings


@dataclass(frozen=True)
class LoopItem:
    """An attempt, and what to explain if it succeeded: wolfspider's own adversarial image, with its seed for LIME."""

    job: Job
    adversarial: npt.NDArray[np.uint8] | None
    lime_seed: int


@dataclass(frozen=True)
class LoopResult:
    """Seconds by stage, and by case LIME's positive superpixels, best first."""

    seconds: dict[str, float]
    superpixels: dict[str, list[int]]


def run_loop(
    network: nn.Module, device: str, items: Sequence[LoopItem], settings: Settings, samples: int
) -> LoopResult:
    """Attack the jobs one by one, and explain those that wolfspider attacked with success."""
    from captum.attr import GuidedBackprop, Saliency
    from lime import lime_image
    from lime.lime_image import LimeImageExplainer

    warnings.simplefilter("ignore")
    lime_image.tqdm = lambda rows: rows  # its bar would scroll over the benchmark's
    network = network.eval().to(device)
    seconds = {"attack": 0.0, "lime": 0.0, "gradients": 0.0}
    superpixels: dict[str, list[int]] = {}

    def probabilities(batch: Any) -> Any:
        x = torch.from_numpy(np.asarray(batch)).permute(0, 3, 1, 2).float().to(device)
        with torch.no_grad():
            return network(x).softmax(dim=1).cpu().numpy()

    _attack(network, device, items[0].job, Settings(iterations=1))  # warm-up
    for item in items:
        started = time.perf_counter()
        _attack(network, device, item.job, settings)
        attacked = time.perf_counter()
        seconds["attack"] += attacked - started
        if item.adversarial is None:
            continue
        explainer = LimeImageExplainer(random_state=np.random.RandomState(item.lime_seed), verbose=False)
        found = explainer.explain_instance(
            item.adversarial / 255.0,
            probabilities,
            labels=(item.job.target,),
            top_labels=None,
            num_samples=samples,
            random_seed=0,
        )
        superpixels[item.job.case_id] = [int(s) for s, weight in found.local_exp[item.job.target] if weight > 0]
        explained = time.perf_counter()
        x = torch.from_numpy(item.adversarial).permute(2, 0, 1)[None].float().div(255).to(device).requires_grad_()
        Saliency(network).attribute(x, target=item.job.target, abs=False)
        GuidedBackprop(network).attribute(x, target=item.job.target)
        seconds["lime"] += explained - attacked
        seconds["gradients"] += time.perf_counter() - explained
    return LoopResult(seconds, superpixels)


def _attack(network: nn.Module, device: str, job: Job, settings: Settings) -> None:
    """BIM on one region, until it succeeds or the iterations end."""
    x = torch.from_numpy(job.rgb).permute(2, 0, 1)[None].float().to(device)
    mask = torch.from_numpy(job.region.mask)[None, None].to(device)
    target = torch.tensor([job.target], device=device)
    for _ in range(settings.iterations):
        image = (x / 255).requires_grad_()
        logits = network(image)
        if int(logits.argmax()) == job.target:
            return
        (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, target), image)
        x = (x - settings.step * mask * gradient.sign()).clamp(0, 255)
