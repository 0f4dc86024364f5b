"""A copy of a store to publish: verified, and without pictures where photos may not be passed on."""

import json
import shutil
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory

from upath import UPath

from compute.errors import InputError
from compute.store import durable
from compute.store.files import exists, open_regular
from compute.store.manifest import MANIFEST
from compute.store.opening import Store, open_store
from compute.store.parts import writing
from compute.store.places import remote
from compute.store.places.place import READ_ONLY, Place, place
from compute.store.schema import PUBLISHED
from compute.store.tables.writing import Writer


def pack(store: Store, out: str | Place, *, images: bool = True) -> Store:
    """Copy a store to a place where nothing is yet; the copy is there whole or not at all.

    Args:
        store: what is copied.
        out: a folder or a URL.
        images: whether it keeps what it has of pictures; without, it is as one of a sweep with `--keep none`.

    Returns:
        The copy, every byte of which has been checked against the manifest.

    Raises:
        InputError: something is there already, it cannot be written, or the store is damaged.
    """
    to = place(out)
    if isinstance(to, UPath):
        if to.protocol in READ_ONLY:
            raise InputError(f"{to}: can only be read; give a folder, or a bucket as s3://, gs:// or az://")
        if exists(to / MANIFEST):
            raise InputError(f"{to}: holds a store; choose another place")
        with TemporaryDirectory(prefix="wolfspider-") as folder, writing(to):
            _copy(store, Path(folder) / "store", images)
            remote.send(Path(folder) / "store", to, last=MANIFEST)
        return open_store(to)
    if exists(to):
        raise InputError(f"{to}: is there already; choose another place")
    with writing(to):
        durable.make_folder(to.absolute().parent)
        draft = to.with_name(f".{to.name}.{uuid.uuid4().hex[:8]}")
        try:
            _copy(store, draft, images)
            durable.rename(draft, to)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return open_store(to)


def _copy(store: Store, folder: Path, images: bool) -> None:
    folder.mkdir()
    manifest = json.loads(json.dumps(store.manifest))
    for file in (file for table in PUBLISHED if images or table != "images" for file in store.paths(table)):
        with open_regular(file) as source, (folder / file.name).open("xb") as copy:
            shutil.copyfileobj(source, copy, 2**20)
    if not images:
        with Writer("images", folder, folder) as writer:
            manifest["tables"]["images"] = writer.entry()
        manifest["given"]["keep"] = "none"
    for path in folder.iterdir():
        durable.flush(path)
    durable.write(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    durable.flush(folder)
    if damaged := open_store(folder).damaged():
        raise InputError(f"{store.path}: damaged tables: {', '.join(damaged)}; nothing was packed")
