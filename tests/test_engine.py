"""Devices, automatic choices, and that the fast paths answer as the plain one does."""

import dataclasses
import shutil

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from compute.errors import InputError, Notice
from compute.explainers import Superpixels
from compute.explainers.perturbation.lime import lime
from compute.networks import engine
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine
from compute.scoring.presentations import methods
from compute.sweep.config import Config
from compute.sweep.work.opening import passes_of


def test_auto_finds_a_device() -> None:
    assert engine.device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu9000", "meta", "cuda:99"])
def test_unusable_devices_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name}"):
        engine.device_of(name)


def test_choices_follow_from_the_work_and_the_kind_of_device() -> None:
    for device, faster in (("cpu", "onnxruntime"), ("cuda", "compiled")):
        assert Engine().resolved(device, passes=60) == Engine("eager", "float32", engine.BATCH[device])
        assert Engine().resolved(device, passes=1_120_000).name == faster
    reduced = Engine(precision="bfloat16")
    assert [reduced.resolved(d, passes=1_120_000).name for d in ("cpu", "cuda")] == ["eager", "compiled"]
    asked = Engine("compiled", "float32", 3)
    assert asked.resolved("cpu", passes=0) == asked


def test_passes_are_limes() -> None:
    assert (
        passes_of(Config(regions=10, lime_samples=1000), methods(["lime", "lime@smooth", "saliency"]), 112) == 1_120_000
    )
    assert passes_of(Config(regions=10), methods(["saliency", "random"]), 112) == 0
    assert passes_of(Config(regions=1, lime_samples=10, seeds=3), methods(["rise", "glime"]), 1) == 60


def _ranked(asked: Engine, known: Classifier, lime_samples: int = 90) -> tuple[list[int], torch.Tensor]:
    """LIME's superpixels, best first, and the probabilities of five made photos."""
    probabilities = engine.probabilities(known, asked)
    task = tiny.task(of=known, batch=asked.batch, lime_samples=lime_samples)
    found = lime(dataclasses.replace(task, probabilities=probabilities))
    assert isinstance(found, Superpixels)
    x = torch.from_numpy(np.stack([tiny.photo(i, known.size, known.size) for i in range(5)]))
    return list(found.ranked), probabilities(x.permute(0, 3, 1, 2).float() / 255)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "compiled"])
def test_fast_passes_rank_superpixels_as_eager_ones_do(name: str, classifier: Classifier) -> None:
    if name == "compiled" and shutil.which("g++") is None:
        pytest.skip("inductor needs a C++ compiler on a CPU")
    eager, plain = _ranked(Engine("eager", "float32", 16), classifier)
    ranked, fast = _ranked(Engine(name, "float32", 16), classifier)
    assert fast.shape == plain.shape
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert ranked == eager
    assert len(eager) > 1


@pytest.mark.slow
def test_onnxruntime_ranks_superpixels_of_the_real_network_as_eager_passes_do(lite0: Classifier) -> None:
    eager, plain = _ranked(Engine("eager", "float32", 16), lite0, lime_samples=120)
    ranked, fast = _ranked(Engine("onnxruntime", "float32", 16), lite0, lime_samples=120)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)
    assert ranked == eager
    assert len(eager) > 10


def test_reduced_precision_answers_in_float32_and_nearly_alike(classifier: Classifier) -> None:
    _, plain = _ranked(Engine("eager", "float32", 16), classifier)
    _, reduced = _ranked(Engine("eager", "bfloat16", 16), classifier)
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, plain, rtol=0, atol=0.05)
    assert not torch.equal(reduced, plain)


class _Branching(nn.Module):
    """Looks at its values to decide what to do, which no exporter can follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) if float(x.sum()) > 0 else x.amax(dim=(2, 3))


class _Changing(nn.Module):
    """Is another function while it is exported, so that its export cannot agree with it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) + (1 if torch.compiler.is_compiling() else 0)


@pytest.mark.slow
@pytest.mark.parametrize("network", [_Branching(), _Changing()])
def test_a_network_that_cannot_be_exported_runs_eagerly(network: nn.Module) -> None:
    known = Classifier.of(nn.Sequential(nn.Conv2d(3, 3, 1), network), size=8, name="odd")
    with pytest.warns(Notice, match="odd runs on eager torch"):
        chosen, probabilities = engine.ready(known, Engine(), passes=100_000)
    assert chosen.name == "eager"
    assert probabilities(torch.rand(2, 3, 8, 8)).shape == (2, 3)
    with pytest.raises(InputError, match="--engine onnxruntime: odd cannot run on it"):
        engine.ready(known, Engine("onnxruntime"), passes=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_ranks_superpixels_as_the_cpu_does() -> None:
    known, there = tiny.classifier(), tiny.classifier()
    there = type(there).of(tiny.network(), size=tiny.SIZE, classes=tiny.CLASSES, device="cuda", **tiny.NORMALISATION)
    x = tiny.images(range(5))
    here = engine.probabilities(known, Engine("eager", "float32", 16))(x)
    away = engine.probabilities(there, Engine("eager", "float32", 16))(x.cuda())
    np.testing.assert_allclose(here.numpy(), away.cpu().numpy(), atol=1e-2)
