"""Finished units of work in a bucket, where nothing can be renamed: a part is one object, a tar of its folder.

One request writes an object, so it is there whole or not at all. Publishing fetches all parts into a temporary folder,
joins them there as anywhere, and sends the tables, and the manifest last.
"""

import json
import shutil
import tarfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
from upath import UPath

from compute.errors import InputError, Notice
from compute.store import part
from compute.store.files import exists
from compute.store.manifest import MANIFEST, RUN, read_run
from compute.store.part import Rows
from compute.store.parts import UNCLAIMED, Parts, check_complete, check_same, writing
from compute.store.places import remote
from compute.store.places.place import READ_ONLY, Place, place


class BucketParts:
    """The parts of one run in a bucket: as `Parts`, which says what its methods do."""

    def __init__(self, root: UPath) -> None:
        self.root, self.folder = root, root / "parts"

    def begin(self, run: Mapping[str, Any]) -> None:
        """Claim the folder for a run, or check that it holds the same one."""
        used = self.published() or self._names()  # looked at first: both come after the claim
        if not self.begun():
            if used:
                raise InputError(UNCLAIMED.format(self.root))
            with writing(self.root):
                remote.create(self.root / RUN, json.dumps(run, indent=1).encode())
        check_same(self.root, self.run(), run)

    def begun(self) -> bool:
        """Whether a run has claimed the folder."""
        return exists(self.root / RUN)

    def published(self) -> bool:
        """Whether the folder holds a published store."""
        return exists(self.root / MANIFEST)

    def run(self) -> dict[str, Any]:
        """What `begin` wrote."""
        return read_run(self.root)

    def done(self, name: str) -> bool:
        """Whether a part is there and is what was written; one that is not is thrown away with a notice."""
        if not exists(self._object(name)):
            return False
        with self._near() as near:
            self._fetch([name], near)
            try:
                part.check(_unpacked(near / f"{name}.tar"))
            except InputError as error:
                warnings.warn(Notice(f"{self._told(error, near)}; this part is made anew"), stacklevel=2)
                with writing(self.root):
                    remote.remove(self._object(name))
                return False
        return True

    def write(self, name: str, rows: Rows, seconds: Mapping[str, float]) -> None:
        """Write a part; if another process was faster, its part stays."""
        with self._near() as near, writing(self.root):
            part.write(near / name, rows, seconds)
            remote.create(self._object(name), _packed(near / name))

    def read(self, name: str, table: str) -> list[dict[str, Any]]:
        """The rows of one table of a part."""
        with self._near() as near:
            self._fetch([name], near)
            return list(part.table(_unpacked(near / f"{name}.tar"), table).to_pylist())

    def publish(
        self,
        groups: Sequence[Sequence[str]],
        manifest: Mapping[str, Any],
        kept: Callable[[pa.Table], pa.Table] = lambda images: images,
    ) -> dict[str, Any]:
        """Join parts into the published tables; the manifest comes last."""
        names = [name for group in groups for name in group]
        check_complete(self.root, names, self._names().__contains__)
        with self._near() as near:
            self._fetch(names, near)
            for name in names:
                _unpacked(near / f"{name}.tar")
            here = Parts(near.parent)
            (here.root / RUN).write_text(json.dumps(self.run()))
            whole = here.publish(groups, manifest, kept)
            shutil.rmtree(near)
            (here.root / RUN).unlink()
            with writing(self.root):
                remote.send(here.root, self.root, last=MANIFEST)
        return whole

    def discard(self) -> None:
        """Drop the parts of a published store."""
        try:
            remote.remove(self.folder)
        except OSError as error:
            warnings.warn(Notice(f"{self.folder}: is no longer needed, but stays ({error.strerror})"), stacklevel=2)

    def _object(self, name: str) -> UPath:
        return self.folder / f"{name}.tar"

    def _names(self) -> set[str]:
        """The names of all parts that are there."""
        try:
            return {path.stem for path in remote.listed(self.folder) if path.suffix == ".tar"}
        except OSError as error:
            raise InputError(f"--out {self.root}: cannot be read ({error.strerror})") from error

    def _fetch(self, names: Sequence[str], near: Path) -> None:
        try:
            remote.fetch([self._object(name) for name in names], near)
        except OSError as error:
            raise InputError(f"{self.folder}: parts cannot be read ({error.strerror})") from error

    @contextmanager
    def _near(self) -> Iterator[Path]:
        """A temporary folder for parts; what is wrong with one there is told of the part in the bucket."""
        with TemporaryDirectory(prefix="wolfspider-") as folder:
            near = Path(folder) / self.folder.name
            near.mkdir()
            try:
                yield near
            except InputError as error:
                raise InputError(self._told(error, near)) from error

    def _told(self, error: InputError, near: Path) -> str:
        return str(error).replace(str(near), str(self.folder))


RunParts = Parts | BucketParts


def parts_at(root: str | Place) -> RunParts:
    """The parts of a run in a folder or a bucket.

    Raises:
        InputError: a place that can only be read; see `place` too.
    """
    found = place(root)
    if not isinstance(found, UPath):
        return Parts(found)
    if found.protocol in READ_ONLY:
        raise InputError(f"--out {found}: can only be read; give a folder, or a bucket as s3://, gs:// or az://")
    return BucketParts(found)


def _packed(folder: Path) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name)
    return buffer.getvalue()


def _unpacked(packed: Path) -> Path:
    """The folder of a part, in the place of its tar.

    Raises:
        InputError: it is damaged.
    """
    try:
        with tarfile.open(packed, "r:") as tar:
            tar.extractall(packed.with_suffix(""), filter="data")
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError(f"{packed}: damaged, since it is not what was written") from error
    packed.unlink()
    return packed.with_suffix("")
