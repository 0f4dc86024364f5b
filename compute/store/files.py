"""Files of a store, which may come from anywhere: regular files alone are read, once, and never more than is sane.

They lie here or behind URLs; what cannot be read is an InputError either way.
"""

import errno
import hashlib
import os
import stat
from io import BufferedReader
from typing import Any

from pydantic_core import from_json
from upath import UPath

from compute.errors import InputError
from compute.store.places import remote
from compute.store.places.place import Place

LARGEST_JSON = 64 * 2**20
"""Bytes; a photo takes about 40 of them, and ten million cases have more than a million photos."""
BLOCK = 2**20
"""Bytes of a request where less is read of a file behind a URL."""
Stamp = tuple[str, ...]


def exists(path: Place) -> bool:
    """Whether there is a file, or a link or folder here, of that name.

    Raises:
        InputError: behind a URL that cannot be asked.
    """
    if not isinstance(path, UPath):
        return os.path.lexists(path)
    try:
        return remote.exists(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def open_regular(path: Place) -> BufferedReader:
    """Open a file for reading, whatever its path looks like; links, pipes and devices are refused, not waited for.

    Raises:
        InputError: it is missing, cannot be read, or is no regular file.
    """
    try:
        if isinstance(path, UPath):
            return BufferedReader(remote.RemoteFile(path), BLOCK)
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


def stamp(file: BufferedReader) -> Stamp:
    """What an opened file shares with no other, and with itself only while it is unchanged."""
    if isinstance(file.raw, remote.RemoteFile):
        return file.raw.stamp
    found = os.fstat(file.fileno())
    return tuple(map(str, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)))


def read_whole(path: Place, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises:
        InputError: as `open_regular`, or it is larger.
    """
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size > most:
            raise InputError(f"{path}: larger than {most:,} bytes, the most that is read")
        try:
            file.seek(0)
            return file.read(size)  # read(most) would ask for so much memory first
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def read_json(path: Place) -> Any:
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


def sha256_file(path: Place) -> str:
    """SHA-256 of a regular file as hexadecimal digits, read in pieces; see `read_whole`."""
    with open_regular(path) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
