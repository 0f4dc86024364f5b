"""A classifier of milliseconds and made photos, for the tests of `compute`; importable by their child processes."""

import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import Tensor, nn

from compute.explainers import Task
from compute.inputs.source import Source, from_array
from compute.networks.classifier import Classifier
from compute.store.opening import Store
from compute.store.places.place import Place
from compute.store.schema import DERIVED, TABLES
from compute.sweep.config import ATTACKS, Config
from compute.sweep.sweep import run_sweep

torch.set_num_threads(1)  # passes of the tiny network are too small to share

CLASSES = ("daisy", "cat", "wolf spider", "cup", "palace", "ball")
TARGET = CLASSES.index("wolf spider")
SIZE = 64
NORMALISATION: dict[str, Any] = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
Bytes = npt.NDArray[np.uint8]


def photo(seed: int, height: int = 80, width: int = 96) -> Bytes:
    """(height, width, 3) uint8: seven patches of one colour each, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    centres = rng.uniform(0, 1, (7, 2)) * (height, width)
    patch = np.argmin((y[..., None] - centres[:, 0]) ** 2 + (x[..., None] - centres[:, 1]) ** 2, axis=-1)
    colours = rng.uniform(20, 235, (7, 3))[patch]
    noise = rng.normal(0, 6, (height, width, 3))
    return np.asarray(np.clip(colours + noise, 0, 255), dtype=np.uint8)


def images(seeds: range) -> Tensor:
    """(len(seeds), 3, SIZE, SIZE) in [0, 1]."""
    crops = np.stack([photo(seed, SIZE, SIZE) for seed in seeds])
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255


def network() -> nn.Sequential:
    """A network of nn.ReLU modules with random weights whose six logits are of one spread, so that every class wins."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, len(CLASSES)), nn.BatchNorm1d(len(CLASSES)),
        )  # fmt: skip
    for module in made:
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.momentum = None
    with torch.no_grad():
        made.train()((images(range(100, 164)) - 0.5) / 0.25)
        made[-1].get_parameter("weight").fill_(3)
    return made.eval()


def classifier() -> Classifier:
    """The network as a classifier of 64-pixel images."""
    return Classifier.of(network(), size=SIZE, classes=CLASSES, name="tiny", **NORMALISATION)


def transformer() -> Classifier:
    """A vision transformer with random weights, of 64-pixel images."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = torchvision.models.VisionTransformer(SIZE, 16, 3, 2, 32, 64, num_classes=len(CLASSES))
        torch.nn.init.normal_(made.heads.head.weight)
    return Classifier.of(made.eval(), size=SIZE, classes=CLASSES, name="vit")


def sources(count: int) -> list[Source]:
    """Made photos; the first is already classified as the target."""
    return [from_array(f"made {i}", photo(i)) for i in range(count)]


def config(out: str | Place, **options: Any) -> Config:
    """A configuration of seconds."""
    small: dict[str, Any] = {"regions": 3, "lime_samples": 40, "min_size": 40, "group": 2, "device": "cpu"}
    small |= ATTACKS["argmax"]
    return Config(out=str(out), **{**small, **options})


def sweep(out: str | Place, count: int = 5, shard: tuple[int, int] = (1, 1), **options: Any) -> Store | None:
    """Sweep made photos with the tiny classifier."""
    return run_sweep(config(out, **options), sources=sources(count), classifier=classifier(), shard=shard)


def published(out: str | Place, count: int = 5, **options: Any) -> Store:
    """The store of such a sweep."""
    store = sweep(out, count, **options)
    assert store is not None
    return store


def rows(store: Store, table: str) -> list[tuple[Any, ...]]:
    """All rows of a table but for measured times."""
    columns = "* exclude (seconds)" if table == "explanations" else "*"
    with store.connect() as connection:
        return connection.execute(f"select {columns} from {table} order by all").fetchall()


def facts(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a store that must follow from its configuration."""
    return {t: rows(store, t) for t in (*TABLES, *DERIVED)}


def task(image: int = 3, target: int = TARGET, seed: int = 0, of: Classifier | None = None, **more: Any) -> Task:
    """A task of the explainers about a made photo."""
    known = of or classifier()
    rgb = photo(image, known.size, known.size)

    def probabilities(batch: Tensor) -> Tensor:
        found: Tensor = known.network(batch).softmax(dim=1)
        return found

    told: dict[str, Any] = {
        "network": known.network,
        "rgb": rgb,
        "target": target,
        "seed": seed,
        "probabilities": probabilities,
    }
    return Task(**told, **{"region": np.tri(known.size, dtype=bool), **more})


def in_fresh_process(code: str) -> None:
    """Run code in a Python of its own; fails if it does."""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
