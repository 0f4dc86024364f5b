"""The files that may be photos, under what was given; what is passed over is counted by kind and said once."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from upath import UPath

from compute.errors import InputError
from compute.inputs import drawn
from compute.inputs.decode import SUFFIXES, undecodable
from compute.inputs.source import Passed, printable
from compute.store.places import remote
from compute.store.places.place import Place, place

MOST_KINDS = 10
"""Kinds of passed-over files that are named; the rest are counted together."""
_NAMED = 3
_BUNDLED = {
    "astronaut.png": ("skimage", "data", "public domain (NASA)"),
    "chelsea.png": ("skimage", "data", "CC0-1.0"),
    "coffee.png": ("skimage", "data", "CC0-1.0"),
    "rocket.jpg": ("skimage", "data", "CC0-1.0"),
    "china.jpg": ("sklearn", "datasets/images", "CC-BY-2.0"),
    "flower.jpg": ("sklearn", "datasets/images", "CC-BY-2.0"),
}
_Kinds = dict[tuple[str, str], list[Place]]
"""Paths by (kind, reason)."""


def under(given: list[str]) -> tuple[list[Place], Passed]:
    """The files given, and those of photos' names in the folders given, sorted.

    Links to files are followed, links to folders are named.

    Raises:
        InputError: a path or URL that cannot be read.
    """
    files: list[Place] = []
    kinds: _Kinds = defaultdict(list)
    passed: Passed = []
    for path in map(place, given):
        try:
            there = remote.files_of(path) if isinstance(path, UPath) else _walked(path, kinds, passed)
        except (OSError, ValueError) as error:
            missing = isinstance(error, FileNotFoundError)
            said = getattr(error, "strerror", None) or error
            reason = "no such file or folder" if missing else f"cannot be read ({said})"
            raise InputError(f"--photos {printable(str(path))}: {reason}") from error
        if there == [path]:
            files += there
            continue
        photos = [p for p in there if p.suffix.lower() in SUFFIXES and not drawn.LIKE_LABELS.search(p.name)]
        files += photos
        for other in {*there} - {*photos} - {drawn.name_beside(photo) for photo in photos}:
            if other.name != "SOURCES.csv":
                kinds[_kind(other)].append(other)
    unspeakable = [path for path in files if printable(str(path)) != str(path)]
    kinds["non-UTF-8 name", "not taken: rename the file"] += unspeakable
    return sorted({*files} - {*unspeakable}, key=str), passed + _counted(kinds)


def _walked(path: Path, kinds: _Kinds, passed: Passed) -> list[Place]:
    """The file, or the files of a folder and those in it; what is passed over is added to the last two."""
    if not stat.S_ISDIR(path.stat().st_mode):
        return [path]
    found: list[Place] = []
    for parent, folders, names in os.walk(
        path, onerror=lambda e: passed.append((printable(str(e.filename)), f"cannot be read ({e.strerror})"))
    ):
        found += [Path(parent, name) for name in names]
        kinds["linked folder", "not followed: give --photos the folder itself"] += [
            link for link in (Path(parent, name) for name in folders) if link.is_symlink()
        ]
    return found


def _kind(path: Place) -> tuple[str, str]:
    if drawn.LIKE_LABELS.search(path.name):
        return "label image", "none beside it is its photo: NAME.regions.png belongs to NAME.jpg or the like"
    return f"{path.suffix.lower() or 'other'} file", undecodable(path)


def _counted(kinds: _Kinds) -> Passed:
    passed: Passed = []
    ranked = sorted(
        (kind.endswith(" file"), -len(paths), kind, reason, paths) for (kind, reason), paths in kinds.items() if paths
    )
    for _, _, kind, reason, paths in ranked[:MOST_KINDS]:
        names = ", ".join(map(str, sorted(paths)[:_NAMED])) + (", ..." if len(paths) > _NAMED else "")
        passed.append((printable(f"{len(paths)} {kind}{'s' * (len(paths) > 1)} ({names})"), reason))
    if rest := ranked[MOST_KINDS:]:
        passed.append((f"{-sum(count for _, count, *_ in rest)} files of {len(rest)} other kinds", "not looked at"))
    return passed


def bundled() -> Iterator[tuple[Path, str, str]]:
    """(path, origin, licence) of the photos that come with the packages used."""
    for name, (package, folder, licence) in _BUNDLED.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / folder / name, f"{package} (bundled)", licence
