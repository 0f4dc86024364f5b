"""Devices, automatic choices, and that the fast paths answer as the plain one does."""

import shutil

import numpy as np
import pytest
import tiny
import torch

from compute import engine
from compute.config import Config
from compute.errors import InputError
from compute.explainers import Superpixels
from compute.explainers.lime import lime


def test_auto_finds_a_device() -> None:
    assert engine.device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu9000", "meta", "cuda:99"])
def test_unusable_devices_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name}"):
        engine.device_of(name)


def test_choices_follow_from_the_configuration_and_the_kind_of_device() -> None:
    small, large = Config(regions=1, lime_samples=10), Config(regions=10, lime_samples=1000)
    assert engine.resolved(large, "cpu", photos=112).engine == "eager"
    assert engine.resolved(small, "cuda", photos=6).engine == "eager"
    assert engine.resolved(large, "cuda", photos=112).engine == "compiled"
    asked = engine.resolved(Config(batch=3, group=2, engine="compiled"), "cpu", photos=1)
    assert (asked.batch, asked.group, asked.engine) == (3, 2, "compiled")
    assert engine.resolved(small, "cpu", photos=1).batch == engine.BATCH["cpu"]


def _ranked(config: Config) -> tuple[list[int], torch.Tensor]:
    known = tiny.classifier()
    probabilities = engine.probabilities(known, config)
    task = tiny.task(of=known, batch=config.batch, lime_samples=90)
    found = lime(type(task)(**{**task.__dict__, "probabilities": probabilities}))
    assert isinstance(found, Superpixels)
    return list(found.ranked), probabilities(tiny.images(range(5)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on a CPU")
def test_compiled_passes_rank_superpixels_as_eager_ones_do() -> None:
    eager, plain = _ranked(Config(batch=16, engine="eager"))
    compiled, fast = _ranked(Config(batch=16, engine="compiled"))
    assert fast.shape == plain.shape
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert compiled == eager
    assert len(eager) > 1


def test_reduced_precision_answers_in_float32_and_nearly_alike() -> None:
    _, plain = _ranked(Config(batch=16, engine="eager"))
    _, reduced = _ranked(Config(batch=16, engine="eager", precision="bfloat16"))
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, plain, rtol=0, atol=0.05)
    assert not torch.equal(reduced, plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_ranks_superpixels_as_the_cpu_does() -> None:
    known, there = tiny.classifier(), tiny.classifier()
    there = type(there).of(tiny.network(), size=tiny.SIZE, classes=tiny.CLASSES, device="cuda", **tiny.NORMALISATION)
    x = tiny.images(range(5))
    here = engine.probabilities(known, Config(batch=16, engine="eager"))(x)
    away = engine.probabilities(there, Config(batch=16, engine="eager"))(x.cuda())
    np.testing.assert_allclose(here.numpy(), away.cpu().numpy(), atol=1e-2)
