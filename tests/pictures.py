"""Small picture files for the tests of `compute.inputs`."""

from pathlib import Path
from typing import Any

import tiny
from PIL import Image

from compute.inputs.photos import find
from compute.inputs.source import Source

RGB = tiny.photo(1, 90, 120)


def only(path: Path) -> Source:
    """The one photo at a path."""
    ((source,), _) = find([str(path)])
    return source


def saved(path: Path, image: Image.Image | None = None, **options: Any) -> Path:
    """A picture as a file; without an image, RGB."""
    (image or Image.fromarray(RGB)).save(path, **options)
    return path
