"""Objects behind URLs: read by ranges, written whole. Whatever fails is an OSError in words, without credentials."""

import errno
import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from fsspec.asyn import sync
from upath import UPath

from compute.errors import in_words
from compute.store.places.place import READ_ONLY, scrubbed

PAUSES = (0.3, 1.5)
"""Seconds before HTTP is tried again; the libraries for buckets do so themselves."""

_T = TypeVar("_T")


class RemoteFile(io.RawIOBase):
    """An object, opened for reading; each read is one request for its range.

    Attributes:
        size: bytes.
        stamp: what tells it from what may come to lie in its place, as far as its server does.
    """

    def __init__(self, path: UPath) -> None:
        self._path, self._at = path, 0
        info = tried(path, lambda: path.fs.info(path.path))
        if info["type"] != "file":
            raise FileNotFoundError(errno.ENOENT, "missing")
        if info["size"] is None:
            raise OSError(errno.EIO, "its server does not tell its size")
        self.size = int(info["size"])
        keys = ("ETag", "etag", "LastModified", "Last-Modified", "last_modified", "updated")
        self.stamp = (str(self.size), *(str(info[key]) for key in keys if key in info))

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is requested."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there are bytes left."""
        start, end = self._at, min(self._at + len(buffer), self.size)
        if start >= end:
            return 0
        data = tried(self._path, lambda: self._fetch(start, end))
        buffer[: len(data)] = data
        self._at = end
        return len(data)

    def _fetch(self, start: int, end: int) -> bytes:
        fs, url = self._path.fs, self._path.path
        if self._path.protocol in READ_ONLY:
            data: bytes = sync(fs.loop, _range, fs, url, start, end)
        else:
            data = fs.cat_file(url, start=start, end=end)
        if len(data) != end - start:
            raise OSError(errno.EIO, f"{len(data)} bytes came where {end - start} were asked for")
        return data


async def _range(fs: Any, url: str, start: int, end: int) -> bytes:
    """Of what a server sends, which may be more than was asked for or endless, no more than that."""
    session = await fs.set_session()
    headers = fs.kwargs.get("headers", {}) | {"Range": f"bytes={start}-{end - 1}"}
    async with session.get(fs.encode_url(url), headers=headers) as answer:
        answer.raise_for_status()
        if start and answer.status != HTTPStatus.PARTIAL_CONTENT:
            raise OSError(errno.EIO, "its server does not answer requests for a range of bytes")
        data: bytes = await answer.content.readexactly(end - start)
        return data


def exists(path: UPath) -> bool:
    """Whether there is such an object."""
    try:
        return bool(tried(path, lambda: path.fs.info(path.path))["type"] == "file")
    except FileNotFoundError:
        return False


def create(path: UPath, data: bytes) -> bool:
    """Write an object in one request unless there is one: whether this wrote it. It is there whole or not at all.

    Where a store knows no such condition the last of several that write at once wins.
    """
    with plainly():
        try:
            path.fs.pipe_file(path.path, data, mode="create")
        except Exception as error:  # libraries differ in how they say that it is there
            if exists(path):
                return False
            if not isinstance(error, NotImplementedError) and getattr(error, "errno", None) != errno.ENOSYS:
                raise
            path.fs.pipe_file(path.path, data)
    return True


def send(folder: Path, root: UPath, last: str) -> None:
    """Copy the files of a folder, one of them when all others are there."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    with plainly():
        for name in [*(n for n in names if n != last), last]:
            root.fs.put_file(str(folder / name), (root / name).path)


def fetch(paths: list[UPath], folder: Path) -> None:
    """Copy objects into a folder, several at a time."""
    with plainly():
        paths[0].fs.get([path.path for path in paths], [str(folder / path.name) for path in paths])


def listed(folder: UPath) -> list[UPath]:
    """What lies in a folder; nothing where there is none."""
    with plainly():
        try:
            found = folder.fs.ls(folder.path, detail=False)
        except FileNotFoundError:
            return []
        return [folder / name.rstrip("/").rpartition("/")[2] for name in sorted(found)]


def files_of(path: UPath) -> list[UPath]:
    """The object itself, or all of a folder, at any depth; over HTTP there are no folders.

    Raises:
        FileNotFoundError: there is neither.
    """
    if exists(path):
        return [path]
    with plainly():
        names = [] if path.protocol in READ_ONLY else path.fs.find(path.path)
        if not names:
            raise FileNotFoundError
        return [path / name.removeprefix(path.path).lstrip("/") for name in names]


def remove(folder: UPath) -> None:
    """Delete an object, or all of a folder."""
    with plainly(), ThreadPoolExecutor() as pool:  # names may hold *, which the library's own way would follow
        list(pool.map(folder.fs.rm_file, folder.fs.find(folder.path)))


@contextmanager
def plainly() -> Iterator[None]:
    """Make an OSError in words of whatever a library raises."""
    try:
        yield
    except Exception as error:  # each library's own, and those of the libraries that it is made of
        raise _plain(error) from None


def tried(path: UPath, action: Callable[[], _T]) -> _T:
    """What an action returns, which is tried again where nobody else does so; an OSError if that does not help."""
    for pause in PAUSES if path.protocol in READ_ONLY else ():
        try:
            with plainly():
                return action()
        except (FileNotFoundError, PermissionError):
            raise
        except OSError:
            time.sleep(pause)
    with plainly():
        return action()


def _plain(error: BaseException) -> OSError:
    status = getattr(error, "status", getattr(error, "status_code", None))  # of aiohttp, of Azure
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):  # of HTTP, whatever it was
        return _plain(error.__cause__)
    if isinstance(error, FileNotFoundError) or status in (404, 410):
        return FileNotFoundError(errno.ENOENT, "missing")
    if isinstance(error, PermissionError) or status in (401, 403):
        return PermissionError(errno.EACCES, f"no permission: {scrubbed(in_words(error))}")
    if isinstance(error, TimeoutError):
        return TimeoutError(errno.ETIMEDOUT, "no answer in time")
    if isinstance(error, OSError) and error.strerror:
        return OSError(errno.EIO, scrubbed(error.strerror))
    return OSError(errno.EIO, scrubbed(in_words(error)))
