"""The best that superpixels can do: a ceiling, told the answer."""

import numpy as np

from compute.explainers.base import Superpixels, Task, register
from compute.explainers.perturbation.samples import segments_of, superpixels


@register("oracle@superpixels", baseline=True, prepare=superpixels, oracle=True)
def oracle(task: Task) -> Superpixels:
    """Superpixels, each time the one that raises the Jaccard index with the attacked region most, until none does."""
    if task.region is None:
        raise ValueError("the oracle knows nothing of an image without an attacked region")
    segments = segments_of(task)
    pixels = np.bincount(segments.ravel()).astype(np.float64)
    hits = np.bincount(segments.ravel(), weights=task.region.ravel())
    covered, found, ranked, best = 0.0, 0.0, list[int](), 0.0
    left = set(np.flatnonzero(hits).tolist())
    while left:
        raised = {s: (found + hits[s]) / (task.region.sum() + covered + pixels[s] - found - hits[s]) for s in left}
        superpixel = max(raised, key=raised.__getitem__)
        if raised[superpixel] <= best:
            break
        best, covered, found = raised[superpixel], covered + pixels[superpixel], found + hits[superpixel]
        ranked.append(superpixel)
        left.remove(superpixel)
    return Superpixels(segments, ranked, {"superpixels": len(pixels)})
