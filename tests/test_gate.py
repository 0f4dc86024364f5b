"""Networks from outside: one row a kind. What can run, runs; of all else one sentence says what is wrong."""

import copy
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import pytest
import tiny
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compute.attacks import Job, Settings, attack
from compute.errors import InputError
from compute.explainers.gradients.saliency import input_gradient
from compute.inputs.regions import Region
from compute.networks import engine
from compute.networks.classifier import Classifier
from compute.networks.engine import Engine
from compute.networks.gate import Contiguous

SIZE, CLASSES = 8, 5
Pair = namedtuple("Pair", "first second")


class _Output:
    def __init__(self, logits: Tensor) -> None:
        self.logits = logits


class _Net(nn.Module):
    """A small network; `change` is what its forward does with its logits."""

    def __init__(
        self, change: Callable[[Tensor], Any] = lambda y: y, channels: int = 3, outputs: int = CLASSES
    ) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv, self.norm = nn.Conv2d(channels, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
            self.fc = nn.Linear(6 * 4 * 4, outputs)
        self.change = change

    def features(self, x: Tensor) -> Tensor:
        found: Tensor = torch.relu(self.norm(self.conv(x)))
        return found

    def forward(self, x: Tensor) -> Any:
        return self.change(self.fc(self.features(x).flatten(1)))


class _Views(_Net):
    def forward(self, x: Tensor) -> Any:
        return self.fc(self.features(x).view(len(x), -1))


class _ViewsInput(_Net):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * SIZE * SIZE, CLASSES)

    def forward(self, x: Tensor) -> Any:
        return self.fc(x.view(len(x), -1))


class _Two(_Net):
    def forward(self, x: Tensor, other: Tensor) -> Any:  # type: ignore[override]
        return super().forward(x) + other


class _NoGrad(_Net):
    @torch.no_grad()
    def forward(self, x: Tensor) -> Any:
        return super().forward(x)


class _Caches(_Net):
    """Keeps what it made in its first pass, as position encodings do."""

    kept: Tensor | None = None

    def forward(self, x: Tensor) -> Any:
        if self.kept is None:
            self.kept = torch.ones(1) * self.fc.weight[0, 0]
        return super().forward(x * self.kept)


class _Uncopiable(_Net):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")


class _Hidden(_Net):
    """Its weights are not in its state dict's layout: one is sparse."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.eye(3).to_sparse())


def _with(change: Callable[[_Net], Any]) -> nn.Module:
    network = _Net()
    change(network)
    return network


def _damaged(value: float) -> nn.Module:
    network = _Net()
    network.fc.weight.data[1, 2] = value
    return network


def _script() -> nn.Module:
    return cast(
        nn.Module,
        torch.jit.trace(  # type: ignore[no-untyped-call]
            _Net().eval(), torch.rand(2, 3, SIZE, SIZE)
        ),
    )


def _compiled() -> nn.Module:
    return cast(nn.Module, torch.compile(_Net(), backend="eager"))


ADMITTED: dict[str, Callable[[], nn.Module]] = {
    "plain": _Net,
    "in training mode": lambda: _Net().train(),
    "tuple": lambda: _Net(lambda y: (y, y.mean())),
    "list": lambda: _Net(lambda y: [y, None]),
    "named tuple": lambda: _Net(lambda y: Pair(y, y)),
    "dict of logits": lambda: _Net(lambda y: {"loss": None, "logits": y}),
    "dict of one": lambda: _Net(lambda y: OrderedDict(out=y)),
    "object with logits": lambda: _Net(_Output),
    "(B, C, 1, 1)": lambda: _Net(lambda y: y[:, :, None, None]),
    "half logits": lambda: _Net(lambda y: y.half()),
    "half": lambda: _Net().half(),
    "bfloat16": lambda: _Net().bfloat16(),
    "double": lambda: _Net().double(),
    "double logits": lambda: _Net(lambda y: y.double()),
    "TorchScript": _script,
    "torch.compile": _compiled,
    "DataParallel": lambda: nn.DataParallel(_Net()),
    "views its features": _Views,
    "views its input": _ViewsInput,
    "keeps what it made": _Caches,
    "hooks": lambda: _with(lambda n: n.fc.register_forward_hook(lambda m, i, o: o)),
    "frozen": lambda: _Net().requires_grad_(False),
    "spectral norm": lambda: _with(lambda n: nn.utils.parametrizations.spectral_norm(n.conv)),
    "without parameters": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


class Refused(NamedTuple):
    make: Callable[[], Any]
    reason: str
    more: Mapping[str, Any] = MappingProxyType({})


REFUSED: dict[str, Refused] = {
    "no module": Refused(lambda: lambda x: x.mean((2, 3)), "a function is no network; give a torch.nn.Module"),
    "None": Refused(lambda: _Net(lambda y: None), "returns a NoneType; let it return its logits"),
    "text": Refused(lambda: _Net(lambda y: "cat"), "returns a str"),
    "empty tuple": Refused(lambda: _Net(lambda y: ()), "returns a tuple"),
    "dict of several": Refused(lambda: _Net(lambda y: {"a": y, "b": y}), "returns a dict"),
    "numbers of classes": Refused(lambda: _Net(lambda y: y.argmax(1)), "returns a tensor of torch.int64"),
    "complex": Refused(lambda: _Net(lambda y: y + 0j), "returns a tensor of torch.complex64"),
    "scalar": Refused(lambda: _Net(lambda y: y.mean()), r"returns \(\) for 2 images; let it return"),
    "no batch": Refused(lambda: _Net(lambda y: y[0]), r"returns \(5,\) for 2 images"),
    "maps": Refused(lambda: nn.Conv2d(3, CLASSES, 1), r"returns \(2, 5, 8, 8\) for 2 images"),
    "one output": Refused(lambda: _Net(outputs=1), "has one output"),
    "other rows": Refused(lambda: _Net(lambda y: y[:1]), r"returns \(1, 5\) for 2 images"),
    "fixed batch": Refused(
        lambda: _Net(lambda y: y.reshape(2, CLASSES)), r"fails on images of \(1, 3, 8, 8\).*any num"
    ),
    "NaN weight": Refused(lambda: _damaged(float("nan")), "fc.weight holds NaN or infinite values"),
    "infinite weight": Refused(lambda: _damaged(float("inf")), "fc.weight holds NaN or infinite values"),
    "infinite logits": Refused(lambda: _Net(lambda y: y / 0), "logits are not finite"),
    "infinite gradient": Refused(lambda: _Net(lambda y: (y - y.detach()).sqrt() + y), "gradient is not finite"),
    "no_grad": Refused(_NoGrad, "no gradient by the image; take no_grad"),
    "detached": Refused(lambda: _Net(lambda y: y.detach()), "no gradient"),
    "rounded": Refused(lambda: _Net(lambda y: y.round()), "no gradient"),
    "constant": Refused(lambda: _Net(lambda y: y * 0), "no gradient"),
    "dropout": Refused(lambda: _Net(F.dropout), "the same images twice; switch its randomness off"),
    "noise": Refused(lambda: _Net(lambda y: y + torch.rand_like(y)), "the same images twice"),
    "batch statistics": Refused(
        lambda: nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), _Net()), "an image alone and beside others"
    ),
    "several inputs": Refused(_Two, "fails on images of .*missing 1 required positional argument.*one batch of RGB"),
    "another size": Refused(lambda: nn.Sequential(nn.Flatten(), nn.Linear(9, 5)), "give the size that it was made for"),
    "grey images": Refused(lambda: _Net(channels=1), "fails on images of"),
    "cannot be copied": Refused(_Uncopiable, "cannot be copied .*_thread.lock"),
    "lazy": Refused(lambda: nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten()), "lazy modules"),
    "on meta": Refused(lambda: _Net().to("meta"), "on the meta device"),
    "sparse": Refused(_Hidden, "table is no plain tensor"),
    "fewer names": Refused(_Net, "2 classes for 5 outputs", {"classes": ["a", "b"]}),
    "a text of names": Refused(_Net, "5 classes for 5 outputs", {"classes": "abcde"}),
    "names that are numbers": Refused(_Net, "5 classes for 5 outputs", {"classes": range(5)}),
    "half a normalisation": Refused(_Net, "mean and std together", {"mean": (0.5,) * 3}),
    "one mean": Refused(_Net, "three numbers each", {"mean": [0.5], "std": [0.5]}),
    "std of zero": Refused(_Net, "no std is 0", {"mean": (0.5,) * 3, "std": (0.0,) * 3}),
    "no size": Refused(_Net, "size 0 must be 1 pixel or more", {"size": 0}),
}


@pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and still what many files hold
@pytest.mark.parametrize("kind", ADMITTED)
def test_networks_that_can_run_are_attacked_and_explained(kind: str) -> None:
    made = Classifier.of(ADMITTED[kind](), size=SIZE)
    rgb = tiny.photo(1, SIZE, SIZE)
    job = Job("case", "photo", rgb, Region(1, 0, rgb[..., 0] >= 0), 1)
    (attempt,) = attack(made, [job], Settings(iterations=2))
    assert 0 < attempt.target_confidence < 1
    task = tiny.task(of=made, target=1)
    assert input_gradient(task).isfinite().all()
    found = engine.probabilities(made, Engine("eager", "float32", 16))(task.image)
    assert found.dtype == torch.float32
    assert found.shape == (1, len(made.classes))


@pytest.mark.parametrize("kind", ["tuple", "double", "views its features", "(B, C, 1, 1)"])
def test_what_is_wrapped_answers_as_it_did(kind: str) -> None:
    x = torch.rand((3, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(1))
    expected = _Net().eval()(x)
    found = Classifier.of(ADMITTED[kind](), size=SIZE).network(x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", REFUSED)
def test_other_networks_are_refused_in_one_sentence(kind: str) -> None:
    make, reason, more = REFUSED[kind]
    network = make()
    with pytest.raises(InputError, match=reason) as caught:
        Classifier.of(network, **{"size": SIZE, **more})
    assert "\n" not in str(caught.value)


def test_channels_last_is_kept_where_it_works() -> None:
    plain, viewing = (Classifier.of(n, size=SIZE).network for n in (_Net(), _Views()))
    assert not isinstance(plain, Contiguous)
    assert plain.get_parameter("conv.weight").is_contiguous(memory_format=torch.channels_last)
    assert isinstance(viewing, Contiguous)


def test_a_refused_network_is_left_as_it_was() -> None:
    network = _Net(F.dropout).double().train()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(InputError):
        Classifier.of(network, size=SIZE)
    assert network.training
    assert all(torch.equal(before[k], v) and v.dtype == before[k].dtype for k, v in network.state_dict().items())
