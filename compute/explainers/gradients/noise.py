"""Gradients of many noisy copies of the image, by Captum 0.9's NoiseTunnel."""

from captum.attr import NoiseTunnel, Saliency

from compute.explainers.base import Priorities, Task, register
from compute.explainers.gradients.saliency import priorities

SAMPLES, BATCH, DEVIATION = 64, 16, 0.15
"""Noisy copies, how many at once, and their noise: 15 % of the range of values, as in SmoothGrad's paper."""


def _tunnel(task: Task, kind: str) -> Priorities:
    with task.exclusive, task.seeded():
        found = NoiseTunnel(Saliency(task.network)).attribute(
            task.image,
            nt_type=kind,
            nt_samples=SAMPLES,
            nt_samples_batch_size=BATCH,
            stdevs=DEVIATION,
            target=task.target,
            abs=False,
        )
    return priorities(found[0].detach())


@register("smoothgrad", draws=True)
def smoothgrad(task: Task) -> Priorities:
    """SmoothGrad (Smilkov et al. 2017): the mean gradient, negative ones dropped as saliency's are."""
    return _tunnel(task, "smoothgrad")


@register("vargrad", draws=True)
def vargrad(task: Task) -> Priorities:
    """VarGrad (Adebayo et al. 2018): the variance of the gradients."""
    return _tunnel(task, "vargrad")
