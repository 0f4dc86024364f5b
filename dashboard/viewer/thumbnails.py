"""Small pictures of a case: the photo with the attacked region's outline and one explanation over it."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from dashboard.data.images import decode

HIT, MISS, ALARM = "#F5D547", "#3FB8F0", "#E0337F"
"""Inside region and explanation, region only, explanation only: told apart by lightness too."""

Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


def outline(region: Mask) -> Mask:
    """The region's pixels, (H, W), that touch its complement; the image's border does not count as an edge."""
    padded = np.pad(region, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return region & ~inner


def draw(photo: Bytes, region: Mask, chosen: Mask) -> Bytes:
    """The photo, (H, W, 3), dimmed; hits and false alarms in their colours, the region's edge in white."""
    grey = photo.mean(axis=2, keepdims=True, dtype=np.float32)
    out: npt.NDArray[np.float32] = np.float32(0.25) * photo + np.float32(0.3) * grey
    for mask, colour in ((chosen & region, HIT), (chosen & ~region, ALARM)):
        out[mask] = out[mask] * 0.4 + np.array(_rgb(colour), np.float32) * 0.6
    edge = outline(region)
    out[outline(~region)] = 0
    out[edge] = 255
    return out.astype(np.uint8)


def thumbnail(
    photo: bytes | None, segments: bytes | None, entry: bytes | None, *, size: int, segment: int, n: int
) -> bytes | None:
    """A case as JPEG, from its stored PNGs.

    Args:
        photo: RGB photo.
        segments: Label map.
        entry: Entry map of the explainer; None, where it has explained nothing, draws the region alone.
        size: Side of all of them, pixels.
        segment: The region's label.
        n: Explanation size 1..20.

    Returns:
        The picture; None where photo, label map or entry map cannot be read.
    """
    rgb, labels = decode(photo, "photo", size), decode(segments, "segments", size)
    first = decode(entry, "entry", size)
    if rgb is None or labels is None or (first is None and entry is not None):
        return None
    chosen = (first > 0) & (first <= n) if first is not None else np.zeros(labels.shape, np.bool_)
    buffer = io.BytesIO()
    picture = draw(rgb, labels == segment, chosen)
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
