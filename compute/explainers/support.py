"""`python -m compute.explainers.support` prints the table of this folder's README.md: what runs on which network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from skimage.data import astronaut
from skimage.transform import resize
from torch import Tensor, nn

from compute.errors import in_words
from compute.explainers import EXPLAINERS, Explainer, Task, plain
from compute.networks import classifiers

NETWORKS = ("efficientnet_lite0", "resnet50", "inception_v3", "vit_b_16")
SAMPLES = 16


@dataclass
class Outcome:
    """What an explainer did on a network.

    Attributes:
        gradients: images that passed the network with gradients.
        forward: perturbed images that passed it without.
        refusal: why it did not explain; "" where it did.
    """

    gradients: int = 0
    forward: int = 0
    refusal: str = ""

    @property
    def passes(self) -> str:
        """The kind of passes, in words."""
        kinds = [f"{self.gradients} with gradients"] * bool(self.gradients) + ["forward"] * bool(self.forward)
        return ", ".join(kinds) or "none"


class _Quick(nn.Module):
    """A network that looks at the first image of a batch of copies, and answers so for all; pairs are no copies."""

    def __init__(self, body: nn.Module, seen: Callable[[int], None]) -> None:
        super().__init__()
        self.body, self.seen = body, seen

    def forward(self, x: Tensor) -> Tensor:
        self.seen(len(x))
        logits: Tensor = self.body(x if len(x) <= 2 else x[:1])
        return logits.expand(len(x), -1)


def outcomes(name: str) -> dict[str, Outcome]:
    """What every explainer does on a network with random weights, by the explainer's name."""
    classifier = classifiers.load(name, untrained=True)
    rgb = (resize(astronaut(), (classifier.size, classifier.size)) * 255).astype(np.uint8)
    return {explainer.name: _outcome(explainer, classifier.network, rgb) for explainer in EXPLAINERS.values()}


def _outcome(explainer: Explainer, network: nn.Module, rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Outcome:
    outcome = Outcome()

    def seen(images: int) -> None:
        outcome.gradients += images

    def probabilities(images: Tensor) -> Tensor:
        """Noise: whether an explainer of passes alone runs does not depend on what they answer."""
        outcome.forward += len(images)
        return torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(8), len(images))).float()

    region = np.tri(len(rgb)) > 0
    more: dict[str, Any] = {
        "lime_samples": SAMPLES,
        "batch": 64,
        "photo": rgb,
        "region": region if explainer.oracle else None,
    }
    task = Task(_Quick(network, seen), rgb, 3, 0, probabilities, **more)
    try:
        plain.explanation(explainer.explain(task), rgb.shape[:2])
    except ValueError as error:
        outcome.refusal = str(error)
    except Exception as error:  # not meant: the table shows it as it is
        outcome.refusal = in_words(error)
    return outcome


def what(explainer: Explainer) -> str:
    """An explainer in a line: the first of its docstring."""
    return (explainer.explain.__doc__ or "").partition("\n")[0]


def refusals(network: str, found: Mapping[str, Outcome]) -> list[str]:
    """The lines that say why explainers refuse a network."""
    return [f"- `{name}` on {network}: {outcome.refusal}." for name, outcome in found.items() if outcome.refusal]


def table(found: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Markdown, from what is found by network and explainer."""
    lines = [f"| name | what it is | passes | {' | '.join(found)} |", "|---" * (3 + len(found)) + "|"]
    for name, explainer in EXPLAINERS.items():
        done = [by_name[name] for by_name in found.values()]
        passes = next((outcome.passes for outcome in done if not outcome.refusal), "none")
        cells = ["refuses" if outcome.refusal else "runs" for outcome in done]
        lines.append(f"| `{name}` | {what(explainer)} | {passes} | {' | '.join(cells)} |")
    reasons = [line for network, by_name in found.items() for line in refusals(network, by_name)]
    return "\n".join([*lines, "", "Why they refuse:", "", *reasons])


if __name__ == "__main__":
    print(table({name: outcomes(name) for name in NETWORKS}))
