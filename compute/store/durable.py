"""Writing that outlives a power cut: content is flushed before it is named, a name before anything relies on it."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes) -> None:
    """Write a new file and flush it; its name is not flushed."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, where they are not there yet."""
    try:
        path.mkdir(exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
    flush(path.parent)


def rename(draft: Path, path: Path) -> None:
    """Give a flushed draft its name. A file replaces another; a folder only takes the place of nothing."""
    draft.rename(path)
    flush(path.parent)


def claim(draft: Path, path: Path) -> None:
    """Give a flushed file a name that it alone will ever have, unless another was faster: then nothing changes."""
    try:
        path.hardlink_to(draft)
    except OSError:
        if not path.exists():
            raise
    flush(path.parent)  # also where another was faster: this process will rely on it too
