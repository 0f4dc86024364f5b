"""Images as they lie in the store: lossless PNG."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def png(array: npt.NDArray[Any]) -> bytes:
    """Lossless PNG of (H, W, 3) uint8 RGB, (H, W) uint8, or (H, W) uint16."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def from_png(data: bytes) -> npt.NDArray[Any]:
    """The array that `png` was given."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)
