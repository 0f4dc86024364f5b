"""Files of weights: one row a kind. What frameworks write loads; all else is named for what it is."""

import argparse
import gzip
import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from compute.errors import InputError
from compute.networks.checkpoint import load_weights, read_weights

State = dict[str, Tensor]


def network(seed: int = 0, classes: int = 10) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), fc=nn.Linear(4, classes), head=nn.Identity())
        )


STATE: State = network(1).state_dict()
OTHER: State = network(2).state_dict()


def named(prefix: str, state: State = STATE) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


WRITTEN: dict[str, Any] = {
    "plain": STATE,
    "OrderedDict": OrderedDict(STATE),
    "parameters": {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in STATE.items()},
    "state_dict": {"state_dict": STATE, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    "model_state_dict": {"model_state_dict": STATE, "loss": 0.1},
    "model": {"model": STATE},
    "net": {"net": STATE, "acc": 93.0},
    "network": {"network": STATE},
    "DeepSpeed": {"module": STATE, "ds_version": "0.9"},
    "averaged first": {"state_dict": OTHER, "state_dict_ema": STATE},
    "EMA": {"model": OTHER, "model_ema": STATE},
    "EMA nested": {"model": OTHER, "ema": {"module": STATE, "decay": 0.99}},
    "beside a tensor": {"state_dict": STATE, "pos_weight": torch.ones(3)},
    "nested": {"state_dict": {"model": STATE}},
    "DataParallel": named("module."),
    "torch.compile": named("_orig_mod."),
    "both": {"state_dict": named("module._orig_mod.")},
    "compiled inside": named("model._orig_mod."),
    "Lightning": {"state_dict": {**named("model."), "criterion.weight": torch.ones(3)}, "hyper_parameters": {"lr": 1}},
    "backbone": named("backbone."),
    "FSDP": named("_fsdp_wrapped_module.module."),
    "no counters": {k: v for k, v in STATE.items() if "num_batches" not in k},
    "with figures": {**STATE, "epoch": 7},
    "half": {k: v.half() if v.is_floating_point() else v for k, v in STATE.items()},
    "Namespace": {"state_dict": STATE, "args": argparse.Namespace(lr=0.1)},
    "NumPy scalars": {"state_dict": STATE, "best": np.float64(1.5), "step": np.int64(3)},
}


@pytest.mark.parametrize("suffix", [".pth", ".bin"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_what_frameworks_write_is_unwrapped(tmp_path: Path, kind: str, suffix: str) -> None:
    torch.save(WRITTEN[kind], tmp_path / f"w{suffix}")
    check(tmp_path / f"w{suffix}", rough=kind == "half")


def check(path: Path, *, rough: bool = False) -> None:
    found = network()
    load_weights(found, path)
    for name, tensor in found.state_dict().items():
        torch.testing.assert_close(tensor, STATE[name], rtol=0.01 if rough else 0, atol=1e-3 if rough else 0)


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w"])
def test_safetensors_are_known_by_their_content(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file(named("model."), tmp_path / name)
    check(tmp_path / name)


def test_torch_s_format_may_have_any_name(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.safetensors")
    check(tmp_path / "w.safetensors")
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    check(tmp_path / "old.pt")


def saved(content: Any) -> Callable[[Path], Any]:
    return lambda path: torch.save(content, path)


def data(content: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content)


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("w.pth"))
    return file.getvalue()


def as_bytes(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


class _Hostile:
    """A pickle that would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trace",)


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def script(path: Path) -> None:
    torch.jit.script(network()).save(path)  # type: ignore[no-untyped-call]


def quantised() -> State:
    return {**STATE, "fc.weight": torch.quantize_per_tensor(STATE["fc.weight"], 0.1, 0, torch.qint8)}


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "no such file"),
    "folder": (Path.mkdir, "a folder; give a file"),
    "pipe": (os.mkfifo, "a device or pipe; give a file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device or pipe"),
    "empty": (data(b""), "an empty file"),
    "Git LFS pointer": (data(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "a Git LFS pointer"),
    "HTML": (data(b"\n<!DOCTYPE html><html><title>Sign in</title>"), "a page of HTML"),
    "XML": (data(b"\xef\xbb\xbf<?xml version='1.0'?><Error>denied</Error>"), "a page of HTML"),
    "JSON": (data(b'{"weight_map": {"fc": "model-00001.safetensors"}}'), "a text file"),
    "text": (data(b"not weights at all"), "damaged or cut short"),
    "noise": (data(bytes(range(256)) * 40), "damaged or cut short"),
    "Keras": (data(b"\x89HDF\r\n\x1a\n" + bytes(80)), "an HDF5 file, as Keras writes"),
    "TensorFlow Lite": (data(b"\x1c\0\0\0TFL3" + bytes(80)), "a TensorFlow Lite file"),
    "ONNX": (data(b"\x08\x08\x12\x07pytorch" + bytes(80)), "an ONNX file"),
    "GGUF": (data(b"GGUF\x03" + bytes(80)), "a GGUF file"),
    "NumPy array": (data(array()), "a NumPy array"),
    "NumPy archive": (data(zipped("fc.npy")), r"a zip archive, but none of torch's \(it holds fc.npy\)"),
    "zip": (data(zipped("w/w.pth", "w/README")), "a zip archive, but none of torch's"),
    "gzip": (data(gzip.compress(b"x")), "an archive; unpack it first"),
    "tar": (data(tar()), "an archive; unpack it first"),
    "picture": (data(b"\x89PNG\r\n\x1a\n" + bytes(80)), "a picture"),
    "cut short": (data(as_bytes(STATE)[:-400]), "damaged or cut short"),
    "cut safetensors": (data(safetensors.torch.save(STATE)[:-40]), "damaged or cut short"),
    "code": (saved({"fc.weight": _Hostile()}), r"holds Python objects \((posix|nt).mkdir\), not only tensors"),
    "plain pickle of code": (data(pickle.dumps(_Hostile())), r"holds Python objects|damaged or cut short"),
    "whole network": (saved(network()), r"Python objects \(torch.nn.*Sequential\).*save the network's state"),
    "whole network inside": (saved({"model": network()}), "holds Python objects"),
    "TorchScript": (script, "a TorchScript network"),
    "list": (saved([STATE]), "holds no state dict"),
    "figures alone": (saved({"epoch": 3}), "holds no state dict"),
    "optimiser alone": (saved({"optimizer": {"state": {}}}), "holds no state dict"),
    "numbered": (saved(dict(enumerate(STATE.values()))), "holds no state dict"),
    "None": (saved(None), "holds no state dict"),
    "NaN": (saved({**STATE, "fc.bias": torch.full((10,), torch.nan)}), "fc.bias holds NaN or infinite values"),
    "infinite": (saved({**STATE, "fc.bias": torch.full((10,), torch.inf)}), "fc.bias holds NaN or infinite values"),
    "quantised": (saved(quantised()), "fc.weight is no plain tensor"),
    "sparse": (saved({**STATE, "fc.bias": torch.ones(10).to_sparse()}), "fc.bias is no plain tensor"),
    "other classes": (saved(network(classes=7).state_dict()), "weights for 7 classes where 10 are expected"),
    "architecture": (saved(nn.Linear(3, 2).state_dict()), r"another architecture: \d missing \(conv.weight\); 2 unk"),
    "without head": (saved({k: v for k, v in STATE.items() if "fc" not in k}), r"2 missing \(fc.weight\)"),
    "misshapen": (saved({**STATE, "conv.weight": torch.ones(4, 3, 5, 5)}), "of another shape .conv.weight"),
    "several networks": (saved({**named("student."), **named("teacher.")}), r"several networks \(student., teacher.\)"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # torch.jit and torch.ao are deprecated, and still what many files come from
@pytest.mark.parametrize("kind", REFUSED)
def test_other_files_are_named_for_what_they_are(kind: str, in_folder: Path) -> None:
    make, reason = REFUSED[kind]
    path = in_folder / "w.pth"
    make(path)
    with pytest.raises(InputError, match=reason) as caught:
        load_weights(network(), path)
    said = str(caught.value)
    assert said.startswith(f"--weights {path}: ")
    assert "\n" not in said
    assert "weights_only" not in said  # torch's own advice is to load without care
    assert not (in_folder / "trace").exists()


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "w.pth").write_bytes(as_bytes(STATE))
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        read_weights(tmp_path / "w.pth")
