"""Rows of the tables `photos`, `attempts` and `failures` (compute/store/schema.py) from what the stages return."""

from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.color import rgb2gray
from skimage.measure import shannon_entropy

from compute.attacks import Attempt
from compute.inputs.source import Photo


def entropy(rgb: npt.NDArray[np.uint8]) -> float:
    """Shannon entropy of an image's grey values, bits, 0..8."""
    return float(shannon_entropy((255 * rgb2gray(rgb)).round().astype(np.uint8)))


def photo_row(
    photo: Photo, labels: npt.NDArray[np.int32], clean: tuple[int, float], target: int, classes: tuple[str, ...]
) -> dict[str, Any]:
    """A row of `photos`; `clean` is (index, confidence) of the unmodified crop, `target` the class to aim at."""
    source = photo.source
    return {
        "photo_id": source.photo_id,
        "name": source.name,
        "source": source.origin,
        "licence": source.licence,
        "sha256": source.sha256,
        "original_width": photo.original_width,
        "original_height": photo.original_height,
        "size": photo.rgb.shape[0],
        "entropy": entropy(photo.rgb),
        "segments": len(np.unique(labels)),
        "hand_drawn": photo.regions is not None,
        "clean_index": clean[0],
        "clean_class": classes[clean[0]],
        "clean_confidence": clean[1],
        "target_index": target,
        "target_class": classes[target],
    }


Checks = tuple[float | None, float | None, float | None]
"""A case's visibility, and its region's sufficiency in mean colour and behind a blur; None where they are not known."""


def attempt_row(attempt: Attempt, classes: tuple[str, ...], checks: Checks) -> dict[str, Any]:
    """A row of `attempts`."""
    job = attempt.job
    change = attempt.rgb.astype(np.int16) - job.rgb
    return {
        "case_id": job.case_id,
        "photo_id": job.photo_id,
        "region_rank": job.region.rank,
        "segment": job.region.segment,
        "region_pixels": job.region.pixels,
        "n_pixels": job.region.mask.size,
        "success": attempt.success,
        "outcome": attempt.outcome,
        "iterations": attempt.iterations,
        "linf": int(np.abs(change).max()),
        "l2": float(np.linalg.norm(change / 255.0)),
        "clean_target_confidence": attempt.clean_target_confidence,
        "target_confidence": attempt.target_confidence,
        "final_index": attempt.final_index,
        "final_class": classes[attempt.final_index],
        "final_confidence": attempt.final_confidence,
        **dict(zip(("visibility", "sufficiency_mean", "sufficiency_blur"), checks, strict=True)),
    }


def failure_row(
    stage: str, photo: str, reason: str, *, case_id: str | None = None, explainer: str | None = None
) -> dict[str, Any]:
    """A row of `failures`."""
    return {"stage": stage, "photo": photo, "case_id": case_id, "explainer": explainer, "reason": reason}
