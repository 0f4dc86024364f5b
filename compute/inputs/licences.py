"""Licences of photos, from a `SOURCES.csv` beside them with the columns `file` and `licence`."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable

from compute.inputs.decode import opened
from compute.inputs.source import Passed, PhotoError
from compute.store.files import exists
from compute.store.places.place import Place

_FILE = {"file", "filename", "name"}
_LICENCE = {"licence", "license"}


def licences(photos: Iterable[Place]) -> tuple[dict[Place, str], Passed]:
    """Licences by photo; and a word on each list that names none for some of the photos beside it."""
    folders: dict[Place, list[Place]] = defaultdict(list)
    for photo in photos:
        folders[photo.parent].append(photo)
    found: dict[Place, str] = {}
    passed: Passed = []
    for folder, beside in folders.items():
        path = folder / "SOURCES.csv"
        if not exists(path):
            continue
        listed, reason = _read(path)
        found |= {photo: listed[photo.name] for photo in beside if photo.name in listed}
        if without := [photo.name for photo in beside if photo.name not in listed]:
            some = f"{len(without)} of {len(beside)} photos ({without[0]}{', ...' * (len(without) > 1)})"
            passed.append((str(path), reason or f"names no licence for {some}"))
    return found, passed


def _read(path: Place) -> tuple[dict[str, str], str]:
    """Licences by file name, and what is wrong with the list, if anything."""
    try:
        with opened(path) as file:
            lines = _text(file.read())
        header = lines.partition("\n")[0]
        rows = csv.reader(io.StringIO(lines, newline=""), delimiter=max(",;\t", key=header.count))
        heading = [name.strip().lower() for name in next(rows, [])]
        columns = [next((i for i, name in enumerate(heading) if name in names), None) for names in (_FILE, _LICENCE)]
        name, licence = columns
        if name is None or licence is None:
            return {}, "no licences read: the columns `file` and `licence` are not both there"
        return {
            row[name].strip(): row[licence].strip()
            for row in rows
            if len(row) > max(name, licence) and row[licence].strip()
        }, ""
    except (PhotoError, ValueError, csv.Error) as error:
        return {}, f"no licences read: {error}"


def _text(data: bytes) -> str:
    """UTF-8 or UTF-16 where the bytes say so; otherwise one byte a character, as spreadsheets write."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
