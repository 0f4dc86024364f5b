"""The number of threads changes no bit: with the real network, since a tiny one would not show it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import torch

from compute.inputs import photos
from compute.networks.classifier import Classifier
from compute.networks.threads import PATIENT, cores, one_thread, padded, take
from compute.sweep.config import Config
from compute.sweep.sweep import run_sweep


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_batches_are_filled_with_copies_of_the_first(threads: None) -> None:
    x = torch.arange(5.0)[:, None]
    for count, whole in ((1, 16), (2, 4), (3, 4)):
        torch.set_num_threads(count)
        for images in (x, x[:1], torch.cat([x] * 4)):
            found = padded(images)
            assert len(found) % whole == 0
            assert len(found) < len(images) + whole
            assert torch.equal(found[: len(images)], images)
            assert (found[len(images) :] == images[0]).all()


def test_one_thread_is_for_a_while(threads: None) -> None:
    torch.set_num_threads(3)
    with pytest.raises(ValueError, match="x"), one_thread():
        assert torch.get_num_threads() == 1
        raise ValueError("x")
    assert torch.get_num_threads() == 3


def test_one_core_has_two_threads_if_they_are_patient(threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for environment, found in (({}, 1), (PATIENT, 2)):
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        take(1)
        assert (torch.get_num_threads(), cores()) == (found, 1)
    torch.set_num_threads(3)
    assert cores() == 3
    take(3)
    assert (torch.get_num_threads(), cores()) == (3, 3)


@pytest.mark.slow
def test_a_store_is_the_same_with_any_number_of_threads(threads: None, lite0: Classifier, tmp_path: Path) -> None:
    names = ("chelsea.png", "coffee.png")
    sources = [source for source in photos.find([])[0] if source.name in names]
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        config = Config(
            regions=2,
            target="tiger cat",
            iterations=3,
            step=4,
            confidence=0.0,
            lime_samples=12,
            engine="eager",
            device="cpu",
            out=str(tmp_path / str(count)),
        )
        store = run_sweep(config, sources=sources, classifier=lite0)
        assert store is not None
        assert store.manifest["device"]["threads"] == count
        found.append((store.manifest["config_hash"], tiny.facts(store)))
    assert found[0] == found[1]
    _, facts = found[0]
    assert len(facts["attempts"]) == 4  # 3 steps in a batch that shrinks
    assert {row[1] for row in facts["explanations"]} == {"saliency", "guided_backprop", "lime", "random"}
