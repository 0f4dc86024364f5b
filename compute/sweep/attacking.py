"""Attack a group of photos: load, classify and segment them, then attack the largest regions of each in one batch."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from compute.attacks.bim import BIM, Job, attack
from compute.inputs import photos
from compute.inputs.regions import Segmentation, largest
from compute.inputs.source import Photo, PhotoError, Source
from compute.networks.classifiers import Classifier
from compute.store.png import png
from compute.sweep.rows import attempt_row, failure_row, photo_row
from compute.sweep.turns import Turns

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Attacking:
    """The stage that attacks photos.

    Attributes:
        classifier: what is attacked.
        segmentation: how photos without drawn regions are segmented.
        regions: largest segments to attack per photo.
        settings: the attack's.
        batch: images per pass.
        turns: at the network.
    """

    classifier: Classifier
    segmentation: Segmentation
    regions: int
    settings: BIM
    batch: int
    turns: Turns

    def attack(self, group: Sequence[Source], advance: Callable[[float], None]) -> tuple[Rows, dict[str, float]]:
        """Rows for the tables photos, attempts, images and failures, and seconds by stage.

        Args:
            group: photos whose attempts share batches.
            advance: called with shares of the group as they are done.
        """
        started, classes = time.perf_counter(), self.classifier.classes
        rows: Rows = {"photos": [], "attempts": [], "images": [], "failures": []}
        loaded: list[Photo] = []
        for source in group:
            try:
                loaded.append(photos.load(source, self.classifier.size))
            except PhotoError as error:
                rows["failures"].append(failure_row("photo", source.origin, str(error)))
        jobs: list[Job] = []
        for photo, clean in zip(loaded, self._classify(loaded), strict=True):
            photo_id = photo.source.photo_id
            labels = photo.regions if photo.regions is not None else self.segmentation.of(photo.rgb)
            rows["photos"].append(photo_row(photo, labels, clean, classes))
            rows["images"].append({"owner": photo_id, "kind": "photo", "png": png(photo.rgb)})
            rows["images"].append({"owner": photo_id, "kind": "segments", "png": png(labels.astype("uint16"))})
            if clean[0] == self.settings.target:
                reason = f"already classified as the target, {classes[clean[0]]}"
                rows["failures"].append(failure_row("attack", photo_id, reason))
            else:
                jobs += [
                    Job(f"{photo_id}-r{r.rank:02d}", photo_id, photo.rgb, r) for r in largest(labels, self.regions)
                ]
        prepared = time.perf_counter()
        for attempt in attack(self.classifier, jobs, self.settings, batch=self.batch, exclusive=self.turns):
            rows["attempts"].append(attempt_row(attempt, classes))
            rows["images"].append({"owner": attempt.job.case_id, "kind": "adversarial", "png": png(attempt.rgb)})
            advance(1 / len(jobs))
        if not jobs:
            advance(1)
        rows["attempts"].sort(key=lambda row: row["case_id"])
        rows["images"].sort(key=lambda row: (row["owner"], row["kind"]))
        return rows, {"prepare": prepared - started, "attack": time.perf_counter() - prepared}

    def _classify(self, loaded: Sequence[Photo]) -> list[tuple[int, float]]:
        """(index, confidence) of the unmodified crops."""
        found: list[tuple[int, float]] = []
        for start in range(0, len(loaded), self.batch):
            images = torch.stack([torch.from_numpy(p.rgb) for p in loaded[start : start + self.batch]])
            images = images.to(self.classifier.device).permute(0, 3, 1, 2).float() / 255
            with self.turns, torch.inference_mode():
                p, index = self.classifier.network(images).softmax(dim=1).max(dim=1)
            found += list(zip(index.tolist(), p.tolist(), strict=True))
        return found
