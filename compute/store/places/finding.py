"""Which stores lie at a place."""

from pathlib import Path

from upath import UPath

from compute.errors import InputError
from compute.store.files import exists
from compute.store.manifest import MANIFEST, RUN
from compute.store.places import remote
from compute.store.places.place import READ_ONLY, Place


def stores_at(root: Place) -> list[Place]:
    """The place itself, or else its direct subfolders, sorted; empty where none is a store, finished or not.

    Raises:
        InputError: a URL that cannot be asked, or one of a web server, which lists nothing, that is no store itself.
    """
    if exists(root / MANIFEST) or exists(root / RUN):
        return [root]
    return [found for found in _below(root) if exists(found / MANIFEST) or exists(found / RUN)]


def _below(root: Place) -> list[Path] | list[UPath]:
    if not isinstance(root, UPath):
        try:
            return sorted(root.iterdir())
        except OSError:
            return []
    if root.protocol in READ_ONLY:
        raise InputError(f"{root}: no store, and web servers list none; give the URL of a store, or a bucket of stores")
    try:
        return remote.listed(root)
    except OSError as error:
        raise InputError(f"{root}: cannot be listed ({error.strerror})") from error
