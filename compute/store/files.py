"""Files of a store, which may come from anywhere: regular files alone are read, once, and never more than is sane."""

import errno
import hashlib
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from compute.errors import InputError

LARGEST_JSON = 16 * 2**20
"""Bytes; a photo takes about 40 of them."""


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, whatever its path looks like; links, pipes and devices are refused, not waited for.

    Raises:
        InputError: it is missing, cannot be read, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing; take another copy of the store, or make it again") from error
    except OSError as error:
        linked = error.errno == errno.ELOOP
        reason = "a link, which may lead outside the store" if linked else error.strerror
        raise InputError(f"{path}: cannot be read ({reason})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: cannot be read (not a regular file)")
    return os.fdopen(descriptor, "rb")


def read_whole(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises:
        InputError: as `open_regular`, or it is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise InputError(f"{path}: larger than {most:,} bytes, the most that is read")
        try:
            return file.read(size)  # read(most) would ask for so much memory first
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds; it is strict JSON, without NaN, and not nested beyond reason.

    Raises:
        InputError: as `read_whole`, or it is not JSON.
    """
    try:
        return from_json(read_whole(path, LARGEST_JSON), allow_inf_nan=False)
    except ValueError as error:
        raise InputError(f"{path}: not readable JSON ({error})") from error


def sha256(data: bytes) -> str:
    """SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a regular file as hexadecimal digits, read in pieces; see `open_regular`."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
