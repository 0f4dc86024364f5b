"""What explainers return, as plain arrays, numbers and JSON: it may come from anyone's code."""

import json
import operator
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from compute.explainers.base import Superpixels

MOST = 2**16
"""Superpixels that are ranked: nobody waits for an endless list."""
ALL_EQUAL = {"note": "all priorities are equal: the pixels were chosen at random"}


def explanation(found: Any, shape: tuple[int, ...]) -> tuple[npt.NDArray[np.float64] | Superpixels, str]:
    """A plain explanation of an image of that shape, and its diagnostics as JSON.

    Raises:
        TypeError: superpixels that are not ranked by a list of labels.
        ValueError: the wrong shape, or values that cannot be.
    """
    if not isinstance(found, Superpixels):
        values = priorities(found, shape)
        return values, as_json({} if np.ptp(values) else ALL_EQUAL)
    labels = segments(found.segments, shape)
    if found.values is not None and labels.min() < 0:
        raise ValueError("superpixels with values must be labelled 0, 1, ...")
    of_labels = None if found.values is None else priorities(found.values, (int(labels.max()) + 1,))
    return Superpixels(labels, ranked(found.ranked), {}, of_labels), as_json(found.diagnostics)


def priorities(found: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """(H, W) finite priorities from an array, a tensor on any device, or lists; booleans count as 0 and 1.

    Raises:
        ValueError: the wrong shape, values that are not finite real numbers, or masked ones.
    """
    values = _array(found)
    if values.shape != shape:
        raise ValueError(f"priorities of shape {values.shape} for an image of {shape}")
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError("priorities must be finite numbers, and real ones")
    if values.dtype.kind in "iu" or values.dtype.itemsize > 8:  # float64 does not hold them all: their order decides
        return np.unique(values, return_inverse=True)[1].reshape(shape).astype(np.float64)
    return values.astype(np.float64)


def segments(found: Any, shape: tuple[int, ...]) -> npt.NDArray[np.integer]:
    """(H, W) integer labels, of any sign and size.

    Raises:
        ValueError: the wrong shape, labels that are no integers, or masked ones.
    """
    labels = _array(found)
    if labels.shape != shape:
        raise ValueError(f"segments of shape {labels.shape} for an image of {shape}")
    if labels.dtype.kind not in "biu":
        raise ValueError(f"segments must be integers, and are {labels.dtype}")
    return labels.astype(np.uint8) if labels.dtype.kind == "b" else labels


def ranked(found: Any) -> list[int]:
    """The labels, best first, at most `MOST`.

    Raises:
        TypeError: they have no order, or are no integers.
    """
    if isinstance(found, (set, frozenset, Mapping)) or not isinstance(found, Iterable):
        raise TypeError(f"ranked superpixels must be a list, and are a {type(found).__name__}")
    return [operator.index(label) for label in islice(found, MOST)]


def as_json(diagnostics: Mapping[str, Any]) -> str:
    """A JSON object; NumPy's and torch's numbers and arrays are as good as Python's, NaN and infinities become null.

    Raises:
        TypeError: a value that is neither.
    """
    text = json.dumps({str(name): value for name, value in diagnostics.items()}, default=_number)
    return json.dumps(json.loads(text, parse_constant=lambda _: None))


def _number(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray, Tensor)):
        return _array(value).tolist()
    raise TypeError(f"diagnostics hold a {type(value).__name__}")


def _array(found: Any) -> npt.NDArray[Any]:
    if isinstance(found, Tensor):
        tensor = found.detach() if found.layout == torch.strided else found.detach().to_dense()
        return np.asarray((tensor.double() if tensor.is_floating_point() else tensor).numpy(force=True))
    if np.ma.is_masked(found):
        raise ValueError("values must not be masked: fill them")
    return np.asarray(found)
