"""Score-CAM (Wang et al. 2020): a channel of the last feature map weighs what the image seen through it is worth."""

import torch
from torch import Tensor
from torch.nn import functional as F

from compute.explainers.base import Priorities, Task, register
from compute.explainers.cams.feature_map import feature_map, upsampled
from compute.explainers.perturbation.samples import answers


@register("score_cam")
def score_cam(task: Task) -> Priorities:
    """Score-CAM (Wang et al. 2020): ReLU(sum_k w_k A_k), w_k the target's probability behind the mask A_k.

    As in the authors' code: their paper's softmax over channels would make weights of probabilities all but equal.
    """
    values, _ = feature_map(task)
    low, high = values.amin(dim=(1, 2), keepdim=True), values.amax(dim=(1, 2), keepdim=True)
    alive = torch.nonzero((high > low).flatten()).flatten()
    small = ((values - low) / (high - low).clamp(min=1e-12))[alive]

    def seen(start: int, stop: int) -> Tensor:
        size = task.rgb.shape[:2]
        masks = F.interpolate(small[start:stop, None], size=size, mode="bilinear", align_corners=False)
        return task.image * masks

    weights = torch.from_numpy(answers(task, seen, len(alive))).to(values)
    return upsampled((weights.view(-1, 1, 1) * values[alive]).sum(dim=0).clamp(min=0), task)
