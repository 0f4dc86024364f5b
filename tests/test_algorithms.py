"""What each algorithm of attacks is: by its formula, and by what it finds."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from test_attack import jobs
from torch import Tensor

from compute.attacks import Attempt, Job, Settings, attack
from compute.attacks.base import norm
from compute.errors import InputError
from compute.networks.classifier import Classifier
from compute.networks.threads import padded
from compute.sweep.config import ATTACKS, configure
from compute.sweep.work.opening import attack_of


def by_case(classifier: Classifier, given: list[Job], **settings: object) -> dict[str, Attempt]:
    made = Settings(**settings)  # type: ignore[arg-type]
    return {a.job.case_id: a for a in attack(classifier, given, made)}


def images(classifier: Classifier, job: Job, decay: float, step: int, budget: int) -> Iterator[tuple[Tensor, int]]:
    """(1, 3, H, W) images of BIM with momentum on one job, written down as in the paper, and their classes."""
    photo = torch.from_numpy(job.rgb).permute(2, 0, 1)[None].float()
    mask, x, memory = torch.from_numpy(job.region.mask), photo, torch.zeros_like(photo)
    while True:
        image = (padded(x) / 255).requires_grad_()
        logits = classifier.network(image)
        yield x, int(logits[0].argmax())
        loss = torch.nn.functional.cross_entropy(logits, torch.full((len(image),), job.target), reduction="sum")
        gradient = torch.autograd.grad(loss, image)[0][:1] * mask
        memory = decay * memory + gradient / gradient.abs().sum()
        x = torch.clamp(x - step * memory.sign(), photo - budget, photo + budget).clamp(0, 255)


@pytest.mark.parametrize(("algorithm", "decay"), [("bim", 0.0), ("momentum", 1.0)])
def test_images_are_those_of_the_formula(classifier: Classifier, algorithm: str, decay: float) -> None:
    given = jobs(6, seed=1)
    found = by_case(classifier, given, algorithm=algorithm, step=2, budget=30, iterations=25, patience=25)
    for job in given:
        made = enumerate(images(classifier, job, decay, step=2, budget=30))
        steps, x, predicted = next((i, x, p) for i, (x, p) in made if p == job.target or i == 25)
        attempt = found[job.case_id]
        assert (attempt.iterations, attempt.success) == (steps, predicted == job.target)
        assert np.array_equal(attempt.rgb, x[0].permute(1, 2, 0).numpy())


def test_momentum_finds_other_images(classifier: Classifier) -> None:
    given = jobs(8)
    plain, other = (by_case(classifier, given, algorithm=name, iterations=8) for name in ("bim", "momentum"))
    assert any(not np.array_equal(plain[case].rgb, other[case].rgb) for case in plain)


@pytest.mark.parametrize(("confidence", "budget"), [(0.0, 255), (0.7, 255), (0.0, 40)])
def test_smallest_succeeds_where_bim_does_by_smaller_changes(
    classifier: Classifier, confidence: float, budget: int
) -> None:
    given = jobs(16, seed=5)
    settings = {"step": 4, "iterations": 60, "confidence": confidence, "budget": budget}
    plain, least = (by_case(classifier, given, algorithm=name, **settings) for name in ("bim", "smallest"))
    reached = [case for case, attempt in plain.items() if attempt.success and attempt.iterations]
    assert len(reached) >= 6
    assert all(least[case].success and least[case].target_confidence >= confidence for case in reached)
    smaller, before = (np.array([_size(found[case]) for case in reached]) for found in (least, plain))
    assert (smaller <= before).all()
    assert np.median(smaller / before) < 0.8


def _size(attempt: Attempt) -> float:
    return float(np.linalg.norm(attempt.rgb.astype(float) - attempt.job.rgb))


def test_smallest_tells_all_steps_that_it_took(classifier: Classifier) -> None:
    """At least `patience` of them came after the image that it keeps."""
    for attempt in by_case(classifier, jobs(8), algorithm="smallest", patience=30).values():
        assert not attempt.iterations or attempt.iterations > 30


@pytest.mark.parametrize("order", [1, 2])
def test_norms_are_the_same_bits_in_every_batch_on_any_number_of_threads(order: int) -> None:
    made = torch.randn((5, 3, 224, 224), generator=torch.Generator().manual_seed(0))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            for some in (
                made,
                made.contiguous(memory_format=torch.channels_last),
                made[:1],
                made[1:3],
                made[3:4],
                made[4:],
            ):
                found.append(norm(some, order).flatten())
    finally:
        torch.set_num_threads(before)
    assert len(set(torch.cat(found).tolist())) == 5
    assert found[0].tolist() == pytest.approx(made.double().flatten(1).norm(order, dim=1).tolist())


def test_an_unknown_algorithm_is_an_error() -> None:
    with pytest.raises(InputError, match="--algorithm fgsm: unknown; known are bim, momentum, smallest"):
        Settings(algorithm="fgsm")


def test_plain_settings_are_the_weakest_preset() -> None:
    assert Settings() == attack_of(configure(attack="argmax"))


@pytest.mark.parametrize("name", ATTACKS)
def test_presets_are_settings_of_an_attack(name: str) -> None:
    config = configure(attack=name)
    assert {key: getattr(attack_of(config), key) for key in ATTACKS[name]} == ATTACKS[name]
    assert attack_of(config).algorithm == (name if name in ("momentum", "smallest") else "bim")
