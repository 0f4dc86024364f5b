"""Attacks over a batch of (photo, region); nothing here knows of explainers.

To add an algorithm: a file here with a decorated function, and its import below. It is called with the `Batch`, the
gradients of the targets' log-probabilities and the step, and returns the batch moved on.
"""

from compute.attacks import bim, momentum, smallest
from compute.attacks.base import ALGORITHMS, Attempt, Batch, Job, Settings
from compute.attacks.loop import attack

__all__ = ["ALGORITHMS", "Attempt", "Batch", "Job", "Settings", "attack"]
