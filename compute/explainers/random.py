"""The random baseline: every pixel is as likely to be chosen as any other (paper, section 4)."""

from compute.explainers.base import Priorities, Task, register


@register("random", baseline=True)
def random(task: Task) -> Priorities:
    """Pixels in random order. Expected: |P_n| * |C| / N hits."""
    return task.rng.random(task.rgb.shape[:2])
