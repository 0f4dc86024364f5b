"""`captum:ClassName`: any attribution of Captum that takes a network, an image and a class, with its own defaults."""

import copy
import inspect
import warnings
from typing import Any

import captum.attr
import numpy as np

from compute.errors import InputError
from compute.explainers.base import PREFIXES, Explainer, Priorities, Task

PREFIX = "captum:"
GIVEN = {"self", "model", "forward_func", "inputs", "target"}
"""What Captum calls the network, the image and the class."""
OURS = {"DeepLift": "deep_lift", "Deconvolution": "deconvolution", "GuidedBackprop": "guided_backprop_hooks"}
"""Attributions by hooks on modules, silently wrong on many networks; and what says so or mends it."""


def captum_explainer(name: str) -> Explainer:
    """The explainer of a class of `captum.attr`.

    Raises:
        InputError: no such class, or one that needs more than a network, an image and a class; it is named.
    """
    found = getattr(captum.attr, name.removeprefix(PREFIX), None)
    if not (inspect.isclass(found) and issubclass(found, captum.attr.Attribution) and hasattr(found, "attribute")):
        raise InputError(f"--explainers {name}: Captum {captum.__version__} has no such attribution")
    if ours := OURS.get(found.__name__):
        raise InputError(f"--explainers {name}: silently wrong on many networks; take {ours}")
    kind: Any = found
    wants = [*_wanted(kind), *_wanted(kind.attribute)]
    if wants:
        raise InputError(f"--explainers {name}: needs more than a network, an image and a class: {', '.join(wants)}")

    def explain(task: Task) -> Priorities:
        more: dict[str, Any] = {}
        known = inspect.signature(kind.attribute).parameters
        if "perturbations_per_eval" in known:
            more["perturbations_per_eval"] = task.batch
        if "internal_batch_size" in known:
            more["internal_batch_size"] = task.batch
        with task.exclusive, task.seeded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = kind(copy.deepcopy(task.network)).attribute(task.image, target=task.target, **more)
        return np.asarray(values[0].sum(dim=0).detach().float().cpu().numpy())

    return Explainer(name, explain, outside=True, draws=True)


def _wanted(function: Any) -> list[str]:
    """Parameters without defaults that are not given."""
    return [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in GIVEN
    ]


PREFIXES[PREFIX] = captum_explainer
