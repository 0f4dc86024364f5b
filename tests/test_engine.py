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
from compute.explainers.lime import lime
from compute.networks import engine
from compute.networks.classifiers import Classifier
from compute.sweep.config import Config


def test_auto_finds_a_device() -> None:
    assert engine.device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["tpu9000", "meta", "cuda:99"])
def test_unusable_devices_are_named(name: str) -> None:
    with pytest.raises(InputError, match=f"--device {name}"):
        engine.device_of(name)


def test_choices_follow_from_the_configuration_and_the_kind_of_device() -> None:
    small, large = Config(regions=1, lime_samples=10), Config(regions=10, lime_samples=1000)
    for device, faster in (("cpu", "onnxruntime"), ("cuda", "compiled")):
        assert engine.resolved(small, device, photos=6).engine == "eager"
        assert engine.resolved(large, device, photos=112).engine == faster
    no_lime = Config(regions=10, explainers=("saliency", "random"))
    assert engine.resolved(no_lime, "cpu", photos=112).engine == "eager"
    reduced = Config(regions=10, precision="bfloat16")
    assert [engine.resolved(reduced, d, photos=112).engine for d in ("cpu", "cuda")] == ["eager", "compiled"]
    asked = engine.resolved(Config(batch=3, group=2, engine="compiled"), "cpu", photos=1)
    assert (asked.batch, asked.group, asked.engine) == (3, 2, "compiled")
    assert engine.resolved(small, "cpu", photos=1).batch == engine.BATCH["cpu"]


def _ranked(config: Config, known: Classifier, lime_samples: int = 90) -> tuple[list[int], torch.Tensor]:
    """LIME's superpixels, best first, and the probabilities of five made photos."""
    probabilities = engine.probabilities(known, config)
    task = tiny.task(of=known, batch=config.batch, lime_samples=lime_samples)
    found = lime(dataclasses.replace(task, probabilities=probabilities))
    assert isinstance(found, Superpixels)
    x = torch.from_numpy(np.stack([tiny.photo(i, known.size, known.size) for i in range(5)]))
    return list(found.ranked), probabilities(x.permute(0, 3, 1, 2).float() / 255)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnxruntime", "compiled"])
def test_fast_passes_rank_superpixels_as_eager_ones_do(name: str, classifier: Classifier) -> None:
    if name == "compiled" and shutil.which("g++") is None:
        pytest.skip("inductor needs a C++ compiler on a CPU")
    eager, plain = _ranked(Config(batch=16, engine="eager"), classifier)
    ranked, fast = _ranked(Config(batch=16, engine=name), classifier)
    assert fast.shape == plain.shape
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert ranked == eager
    assert len(eager) > 1


@pytest.mark.slow
def test_onnxruntime_ranks_superpixels_of_the_real_network_as_eager_passes_do(lite0: Classifier) -> None:
    eager, plain = _ranked(Config(batch=16, engine="eager"), lite0, lime_samples=120)
    ranked, fast = _ranked(Config(batch=16, engine="onnxruntime"), lite0, lime_samples=120)
    torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-6)
    assert ranked == eager
    assert len(eager) > 10


def test_reduced_precision_answers_in_float32_and_nearly_alike(classifier: Classifier) -> None:
    _, plain = _ranked(Config(batch=16, engine="eager"), classifier)
    _, reduced = _ranked(Config(batch=16, engine="eager", precision="bfloat16"), classifier)
    assert reduced.dtype == torch.float32
    torch.testing.assert_close(reduced, plain, rtol=0, atol=0.05)
    assert not torch.equal(reduced, plain)


class _Branching(nn.Module):
    """Looks at its values to decide what to do, which no exporter can follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) if float(x.sum()) > 0 else x.amax(dim=(2, 3))


class _Random(nn.Module):
    """Answers differently each time, so that its export cannot agree with it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) + torch.rand(len(x), 3)


@pytest.mark.slow
@pytest.mark.parametrize("network", [_Branching(), _Random()])
def test_a_network_that_cannot_be_exported_runs_eagerly(network: nn.Module) -> None:
    known = Classifier.of(nn.Sequential(nn.Conv2d(3, 3, 1), network), size=8, name="odd")
    with pytest.warns(Notice, match="odd runs on eager torch"):
        config, probabilities = engine.ready(known, Config(), photos=10)
    assert config.engine == "eager"
    assert probabilities(torch.rand(2, 3, 8, 8)).shape == (2, 3)
    with pytest.raises(InputError, match="--engine onnxruntime: odd cannot run on it"):
        engine.ready(known, Config(engine="onnxruntime"), photos=10)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_ranks_superpixels_as_the_cpu_does() -> None:
    known, there = tiny.classifier(), tiny.classifier()
    there = type(there).of(tiny.network(), size=tiny.SIZE, classes=tiny.CLASSES, device="cuda", **tiny.NORMALISATION)
    x = tiny.images(range(5))
    here = engine.probabilities(known, Config(batch=16, engine="eager"))(x)
    away = engine.probabilities(there, Config(batch=16, engine="eager"))(x.cuda())
    np.testing.assert_allclose(here.numpy(), away.cpu().numpy(), atol=1e-2)
