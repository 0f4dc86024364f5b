"""Attack a group of photos: load, segment and classify them, then attack the largest regions of each in one batch."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from compute.attacks import Attempt, Job, Settings, attack
from compute.errors import InputError, in_words
from compute.explainers.base import seed_of
from compute.explainers.baselines.prior import chroma_texture
from compute.inputs import photos
from compute.inputs.regions import Segmentation, largest
from compute.inputs.source import Photo, PhotoError, Source
from compute.networks.classifier import Classifier
from compute.networks.threads import one_thread, padded
from compute.scoring.causal import sufficiency
from compute.scoring.measures import measure
from compute.store.png import png
from compute.sweep.rows import Checks, attempt_row, failure_row, photo_row
from compute.sweep.turns import Turns

Rows = dict[str, list[dict[str, Any]]]
RANDOM = "random"
"""A target of its own for each photo."""
NOT_FINITE = "the network's answer is not finite (NaN or infinite)"


def aimed_at(target: int | None, seed: int, classes: int, photo_id: str, own: int) -> int:
    """The class to aim at on a photo; without a target any but the photo's own, drawn from the seed and the photo."""
    if target is not None:
        return target
    drawn = seed_of(seed, photo_id, "target") % (classes - 1)
    return drawn + (drawn >= own)


@dataclass(frozen=True)
class Attacking:
    """The stage that attacks photos.

    Attributes:
        classifier: what is attacked.
        segmentation: how photos without drawn regions are segmented.
        regions: largest segments to attack per photo.
        target_of: the class to aim at, from a photo's id and its own class.
        settings: the attack's.
        batch: images per pass.
        turns: at the network.
    """

    classifier: Classifier
    segmentation: Segmentation
    regions: int
    target_of: Callable[[str, int], int]
    settings: Settings
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
        jobs: list[Job] = []
        for source in group:
            try:
                photo = photos.load(source, self.classifier.size)
                labels = photo.regions if photo.regions is not None else self.segmentation.of(photo.rgb)
                clean = self._classify(photo)
            except PhotoError as error:
                rows["failures"].append(failure_row("photo", source.origin, str(error)))
                continue
            except InputError:  # a photo that cannot be reached now would be missing without a fault of its own
                raise
            except Exception as error:  # whatever the network makes of a photo: it never takes its group with it
                rows["failures"].append(failure_row("photo", source.photo_id, in_words(error)))
                continue
            photo_id = source.photo_id
            target = self.target_of(photo_id, clean[0])
            rows["photos"].append(photo_row(photo, labels, clean, target, classes))
            rows["images"].append({"owner": photo_id, "kind": "photo", "png": png(photo.rgb)})
            rows["images"].append({"owner": photo_id, "kind": "segments", "png": png(labels.astype("uint16"))})
            if clean[0] == target:
                reason = f"already classified as the target, {classes[clean[0]]}"
                rows["failures"].append(failure_row("attack", photo_id, reason))
            else:
                jobs += [
                    Job(f"{photo_id}-r{r.rank:02d}", photo_id, photo.rgb, r, target)
                    for r in largest(labels, self.regions)
                ]
        prepared, left = time.perf_counter(), 1.0
        for found in self._attempts(jobs):
            if isinstance(found, Attempt):
                checks: Checks = (None, None, None)
                if found.success:
                    try:
                        checks = self._checks(found)
                    except Exception as error:  # the case is one all the same
                        who = found.job.photo_id, f"its region could not be checked: {in_words(error)}"
                        rows["failures"].append(failure_row("attack", *who, case_id=found.job.case_id))
                rows["attempts"].append(attempt_row(found, classes, checks))
                rows["images"].append({"owner": found.job.case_id, "kind": "adversarial", "png": png(found.rgb)})
            else:
                rows["failures"].append(found)
            advance(1 / len(jobs))
            left -= 1 / len(jobs)
        advance(left)
        rows["attempts"].sort(key=lambda row: row["case_id"])
        rows["images"].sort(key=lambda row: (row["owner"], row["kind"]))
        return rows, {"prepare": prepared - started, "attack": time.perf_counter() - prepared}

    def _checks(self, attempt: Attempt) -> tuple[float, float, float]:
        """A case's visibility, and its region's sufficiency in mean colour and behind a blur."""
        region = attempt.job.region.mask
        seen = measure(chroma_texture(attempt.rgb), region, None).auroc

        def probabilities(images: Tensor) -> Tensor:
            with self.turns, torch.inference_mode():
                found: Tensor = self.classifier.network(padded(images))[: len(images)].softmax(dim=1)
                return found

        return seen, *sufficiency(attempt.rgb, region, attempt.job.target, probabilities, self.classifier.device)

    def _classify(self, photo: Photo) -> tuple[int, float]:
        """(index, confidence) of the unmodified crop."""
        image = torch.from_numpy(photo.rgb).to(self.classifier.device).permute(2, 0, 1)[None].float() / 255
        with self.turns, one_thread(), torch.inference_mode():
            logits = self.classifier.network(image)[0]
        if not logits.isfinite().all():
            raise ValueError(NOT_FINITE)
        p, index = logits.softmax(dim=0).max(dim=0)
        return int(index), float(p)

    def _attempts(self, jobs: Sequence[Job]) -> Iterator[Attempt | dict[str, Any]]:
        """What became of the jobs: attempts, and rows of `failures`.

        Where a pass fails, what is left is attacked photo by photo, so that only photos that fail alone are lost.
        """
        left = {job.case_id: job for job in jobs}

        def finished(some: Iterable[Job]) -> Iterator[Attempt | dict[str, Any]]:
            for attempt in attack(self.classifier, some, self.settings, batch=self.batch, exclusive=self.turns):
                job = left.pop(attempt.job.case_id)
                broken = attempt.outcome == "broken"
                yield failure_row("attack", job.photo_id, NOT_FINITE, case_id=job.case_id) if broken else attempt

        try:
            yield from finished(jobs)
        except Exception:  # a network may raise anything, as where memory runs out
            for photo_id, own in groupby(list(left.values()), key=lambda job: job.photo_id):
                try:
                    yield from finished(own)
                except Exception as error:
                    yield failure_row("attack", photo_id, in_words(error))
