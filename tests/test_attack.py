"""Every algorithm stays inside its region, its budget and 8 bits; success is that of the stored image."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from compute.attacks import ALGORITHMS, Attempt, Job, Settings, attack
from compute.inputs.regions import Region
from compute.networks.classifier import Classifier

SLOW = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

EVERY = pytest.mark.parametrize("algorithm", ALGORITHMS)


def jobs(count: int, seed: int = 0, target: int = tiny.TARGET) -> list[Job]:
    """Jobs with regions from a single pixel to nearly the whole image."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        mask = np.zeros((tiny.SIZE, tiny.SIZE), bool)
        height, width = rng.integers(1, tiny.SIZE, 2)
        top, left = rng.integers(0, tiny.SIZE - height), rng.integers(0, tiny.SIZE - width)
        mask[top : top + height, left : left + width] = True
        rgb = tiny.photo(int(rng.integers(1000)), tiny.SIZE, tiny.SIZE)
        made.append(Job(f"case {i}", "photo", rgb, Region(1, i, mask), target))
    return made


def logits(classifier: Classifier, attempt: Attempt) -> Tensor:
    """Of the image that would be stored, on its own."""
    image = torch.from_numpy(attempt.rgb).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        found: Tensor = classifier.network(image)[0]
    return found


@SLOW
@given(
    algorithm=st.sampled_from(list(ALGORITHMS)),
    seed=st.integers(0, 1000),
    step=st.integers(1, 40),
    budget=st.integers(1, 255),
    confidence=st.sampled_from([0.0, 0.6]),
    batch=st.integers(1, 7),
)
def test_what_an_attempt_may_and_must_be(
    classifier: Classifier, algorithm: str, seed: int, step: int, budget: int, confidence: float, batch: int
) -> None:
    settings = Settings(algorithm=algorithm, step=step, budget=budget, confidence=confidence, iterations=12, patience=5)
    given_jobs = jobs(6, seed)
    attempts = list(attack(classifier, given_jobs, settings, batch=batch))
    assert Counter(a.job.case_id for a in attempts) == Counter(job.case_id for job in given_jobs)
    for attempt in attempts:
        change = attempt.rgb.astype(int) - attempt.job.rgb
        assert attempt.rgb.dtype == np.uint8
        assert not change[~attempt.job.region.mask].any()
        farthest = 255 if ALGORITHMS[algorithm].minimises else step * attempt.iterations
        assert np.abs(change).max() <= min(budget, farthest)
        found = logits(classifier, attempt)
        p = found.softmax(dim=0)
        assert attempt.target_confidence == pytest.approx(float(p[tiny.TARGET]), rel=1e-3)
        assert attempt.final_index == int(found.argmax())
        reached = attempt.final_index == tiny.TARGET and attempt.target_confidence >= confidence
        assert attempt.success == reached
        assert (attempt.outcome == "exhausted") == (not reached and attempt.iterations == 12)
        assert (attempt.outcome == "stalled") == (not reached and attempt.iterations < 12)


def test_images_change_by_whole_steps_where_no_bound_cuts_them(classifier: Classifier) -> None:
    settings = Settings(step=7, iterations=3, patience=100)
    for attempt in attack(classifier, jobs(5), settings):
        change = attempt.rgb.astype(int) - attempt.job.rgb
        free = (attempt.rgb > 0) & (attempt.rgb < 255)
        assert not (change[free] % 7).any()


@EVERY
def test_an_attack_raises_the_target(classifier: Classifier, algorithm: str) -> None:
    attempts = list(attack(classifier, jobs(12), Settings(algorithm=algorithm, step=2, iterations=40)))
    assert sum(a.success for a in attempts) >= 6
    tried = [a for a in attempts if a.iterations]
    assert tried
    assert np.mean([a.target_confidence > a.clean_target_confidence for a in tried]) > 0.8


@EVERY
def test_what_is_already_the_target_is_left_as_it_is(classifier: Classifier, algorithm: str) -> None:
    ((found),) = attack(classifier, jobs(1, target=_clean(classifier, jobs(1)[0])), Settings(algorithm=algorithm))
    assert found.success
    assert found.iterations == 0
    assert np.array_equal(found.rgb, found.job.rgb)


def _clean(classifier: Classifier, job: Job) -> int:
    return int(logits(classifier, Attempt(job, "", 0, job.rgb, 0, 0, 0, 0)).argmax())


class _Watched(nn.Module):
    """The tiny network; notes how many attempts each pass held, without what fills it up: copies of the first."""

    def __init__(self, body: nn.Module, passes: list[int]) -> None:
        super().__init__()
        self.body, self.passes = body, passes
        self.register_buffer("nothing", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.passes.append(len(x) - int((x[1:] == x[0]).flatten(1).all(dim=1).sum()))
        found: Tensor = self.body(x)
        return found


@EVERY
def test_finished_attempts_leave_the_batch_and_others_take_their_place(classifier: Classifier, algorithm: str) -> None:
    passes: list[int] = []
    watched = Classifier("w", _Watched(classifier.network, passes), tiny.SIZE, tiny.CLASSES, "")
    given_jobs = jobs(11)
    taken: list[int] = []

    def lazily() -> Iterator[Job]:
        for i, job in enumerate(given_jobs):
            taken.append(i)
            yield job

    attempts = []
    for attempt in attack(watched, lazily(), Settings(algorithm=algorithm, iterations=30, patience=6), batch=4):
        attempts.append(attempt)
        assert len(taken) <= len(attempts) + 4  # no job is taken before there is room for it
    # Each attempt is judged once more than it is stepped, and the passes hold as many attempts as they can.
    assert sum(passes) == sum(a.iterations + 1 for a in attempts)
    assert max(passes) == 4
    assert passes == sorted(passes, reverse=True)  # full until no job waits
    assert len({a.iterations for a in attempts}) > 2
    assert len(attempts) == 11


@EVERY
@pytest.mark.parametrize("batch", [3, 64])
def test_every_batch_size_finds_the_same(classifier: Classifier, batch: int, algorithm: str) -> None:
    settings = Settings(algorithm=algorithm, step=4, iterations=40)
    one = {a.job.case_id: a for a in attack(classifier, jobs(6), settings, batch=1)}
    other = {a.job.case_id: a for a in attack(classifier, jobs(6), settings, batch=batch)}
    for case, attempt in one.items():
        assert other[case].outcome == attempt.outcome
        assert other[case].target_confidence == attempt.target_confidence
        assert np.array_equal(other[case].rgb, attempt.rgb)


class _Breaking(nn.Module):
    """Answers NaN about images that are bright at the top left, or where `gradient`, has such a gradient there."""

    def __init__(self, body: nn.Module, gradient: bool) -> None:
        super().__init__()
        self.body, self.gradient = body, gradient

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, 0, 0, 0] == 1
        found: Tensor = self.body(x)
        if not self.gradient:
            return torch.where(bright[:, None], torch.nan, found)
        zero = found - found.detach()  # whose square root has an infinite slope
        return found + torch.where(bright[:, None], torch.where(bright[:, None], zero, 1).sqrt(), 0)


@EVERY
@pytest.mark.parametrize("gradient", [False, True])
def test_an_answer_that_is_not_finite_breaks_that_attempt_alone(
    classifier: Classifier, gradient: bool, algorithm: str
) -> None:
    network = _Breaking(classifier.network, gradient)
    breaking = Classifier("b", network, tiny.SIZE, tiny.CLASSES, "")
    given_jobs = jobs(5)
    given_jobs[2].rgb[0, 0] = 255
    settings = Settings(algorithm=algorithm, iterations=4, confidence=1.1)
    found = {a.job.case_id: a for a in attack(breaking, given_jobs, settings)}
    expected = {a.job.case_id: a for a in attack(classifier, given_jobs, settings)}
    assert found["case 2"].outcome == "broken"
    assert found["case 2"].iterations == 0
    for case in ("case 0", "case 1", "case 3", "case 4"):
        assert np.array_equal(found[case].rgb, expected[case].rgb)


@EVERY
def test_no_progress_within_patience_is_stalled(classifier: Classifier, algorithm: str) -> None:
    """A region of one pixel cannot move the network: it is given up after exactly `patience` steps."""
    (job, *_) = jobs(1)
    mask = np.zeros_like(job.region.mask)
    mask[0, 0] = True
    target = (_clean(classifier, job) + 1) % len(tiny.CLASSES)
    settings = Settings(algorithm=algorithm, iterations=50, patience=9, progress=5.0)
    (found,) = attack(classifier, [Job("c", "p", job.rgb, Region(1, 0, mask), target)], settings)
    assert (found.outcome, found.iterations) == ("stalled", 9)


def test_nothing_to_do(classifier: Classifier) -> None:
    assert not list(attack(classifier, [], Settings()))


@EVERY
def test_the_network_is_left_as_it_was(classifier: Classifier, algorithm: str) -> None:
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    list(attack(classifier, jobs(3), Settings(algorithm=algorithm, iterations=30)))
    after = classifier.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not classifier.network.training
    assert all(p.grad is None and not p.requires_grad for p in classifier.network.parameters())
