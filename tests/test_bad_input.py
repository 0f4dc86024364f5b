"""Bad input, one row a kind, at every entry: one line that names the offender, status 2, nothing made or changed."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import tiny
from conftest import Command
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from compute import cli
from compute.errors import Notice
from compute.store.opening import Store, open_store
from compute.text import visible

SMALL_SWEEP = ["sweep", "--regions", "1", "--min-size", "40", "--explainers", "random", "--device", "cpu"]
ENTRIES: dict[str, list[str]] = {
    "sweep": ["sweep"],
    "photos": ["sweep", "--photos"],
    "config": ["sweep", "--config"],
    "report": ["report"],
    "show": ["show", "--verify"],
    "publish": ["publish"],
    "dashboard": ["dashboard"],
}
HOSTILE = {
    "plain": "nowhere",
    "markup": "[/]",
    "more markup": "[red]red[/red] [link=http://localhost]",
    "emoji code": ":smile:",
    "newline": "one\nAll checksums match.",
    "escape": "\x1b[31mred\x1b]0;title\x07",
    "link": "\x1b]8;;http://localhost\x1b\\here\x1b]8;;\x1b\\",
    "bidi": "gpj.\u202egnp",
    "c1": "\x9b31mred",
    "not UTF-8": os.fsdecode(b"caf\xe9"),
    "quotes": 'it\'s "quoted" `ls` $(ls)',
    "globs": "a*?[b]",
    "hive": "photo_id=3",
    "option": "x --out y",
    "long": "long" * 60,
    "too long": "long" * 2000,
}
"""Names of things that are not there; most could be."""


def check(said: tuple[int, str, str], name: str | Path) -> None:
    """One printable line that names the offender."""
    status, printed, complained = said
    assert (status, printed) == (2, "")
    assert complained.startswith("wolfspider: ")
    assert complained.endswith("\n")
    assert complained[:-1] == visible(complained[:-1])
    assert visible(Path(name)) in complained


def listing(folder: Path) -> list[tuple[str, bytes]]:
    """Everything below a folder."""
    return sorted((str(p), p.read_bytes() if p.is_file() else b"") for p in folder.rglob("*"))


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_path_that_leads_nowhere(command: Command, in_folder: Path, kind: str, entry: str) -> None:
    check(command(*ENTRIES[entry], HOSTILE[kind]), HOSTILE[kind])
    assert listing(in_folder) == []


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.symlink_to("none")


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


STORES = ("report", "show", "publish")
THINGS: dict[str, tuple[Callable[[Path], object], Iterable[str]]] = {
    "FIFO": (os.mkfifo, ENTRIES),
    "device": (_device, ENTRIES),
    "loop of links": (_loop, ENTRIES),
    "dangling link": (_dangling, ENTRIES),
    "empty folder": (Path.mkdir, ("sweep", "photos", "config", *STORES)),  # stores may come while a dashboard runs
    "text": (lambda path: path.write_text("hello\x1b[31m"), ("config", *STORES)),  # a bad photo is recorded
    "empty file": (Path.touch, STORES),  # and options need not be given
}
"""Things that are not what these entries want."""


@pytest.mark.parametrize("kind", ["FIFO", "device", "loop of links", "text"])
def test_a_place_where_no_store_can_be(command: Command, in_folder: Path, kind: str) -> None:
    THINGS[kind][0](in_folder / "taken")
    check(command(*SMALL_SWEEP, "--out", "taken"), "taken")
    check(command(*SMALL_SWEEP, "--out", "taken/store"), "taken")
    assert [p.name for p in in_folder.iterdir()] == ["taken"]


@pytest.mark.parametrize(("kind", "entry"), [(kind, entry) for kind in THINGS for entry in THINGS[kind][1]])
def test_a_path_to_something_else(command: Command, in_folder: Path, kind: str, entry: str) -> None:
    (in_folder / "[").mkdir()
    THINGS[kind][0](in_folder / "[/]thing")
    check(command(*ENTRIES[entry], "[/]thing"), "[/]thing")
    assert [str(p.relative_to(in_folder)) for p in in_folder.rglob("*")] == ["[", "[/]thing"]


def _edited(**changes: Any) -> Callable[[Path], object]:
    """Changes entries of a store's manifest; None takes one out."""

    def edit(store: Path) -> None:
        manifest = json.loads((store / "manifest.json").read_text()) | changes
        (store / "manifest.json").write_text(json.dumps({k: v for k, v in manifest.items() if v is not None}))

    return edit


def _flipped(store: Path) -> None:
    content = bytearray((store / "explanations.parquet").read_bytes())
    content[50] ^= 1
    (store / "explanations.parquet").write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "another version": (_edited(schema_version=99), "manifest.json"),
    "no version": (_edited(schema_version=None), "manifest.json"),
    "a version in words": (_edited(schema_version="[/]"), "manifest.json"),
    "no tables": (_edited(tables=None), "manifest.json"),
    "tables of another kind": (_edited(tables=["photos"]), "manifest.json"),
    "explainers of another kind": (_edited(explainers=7), "manifest.json"),
    "no target": (_edited(target=None), "manifest.json"),
    "no JSON": (lambda store: (store / "manifest.json").write_text("{"), "manifest.json"),
    "not UTF-8": (lambda store: (store / "manifest.json").write_bytes(b"\xff\xfe"), "manifest.json"),
    "a missing table": (lambda store: (store / "explanations.parquet").unlink(), "explanations.parquet"),
    "a text for a table": (
        lambda store: (store / "explanations.parquet").write_text("\x1b[31m"),
        "explanations.parquet",
    ),
    "another table": (
        lambda store: shutil.copy(store / "photos.parquet", store / "explanations.parquet"),
        "explanations.parquet",
    ),
    "a table of links": (lambda store: _moved(store / "explanations.parquet"), "explanations.parquet"),
}


def _moved(table: Path) -> None:
    table.symlink_to(table.rename(table.parent.parent / "elsewhere.parquet"))


@pytest.mark.parametrize("entry", STORES)
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_store(command: Command, store: Store, tmp_path: Path, kind: str, entry: str) -> None:
    copy = Path(shutil.copytree(str(store.path), tmp_path / ":smile: [red]"))
    damage, offender = DAMAGES[kind]
    damage(copy)
    before = listing(tmp_path)
    said = command(*ENTRIES[entry], copy)
    check(said, copy / offender)
    assert listing(tmp_path) == before


def test_a_table_whose_bytes_changed(command: Command, store: Store, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(str(store.path), tmp_path / "copy"))
    _flipped(copy)
    check(command("show", "--verify", copy), "explanations")


TEXTS = [name for kind, name in HOSTILE.items() if "long" not in kind]


def printable(said: str) -> bool:
    """Nothing but lines of printable text."""
    return all(line == visible(line) for line in said.split("\n"))


@pytest.mark.parametrize("entry", STORES)
def test_names_in_a_store_are_text(command: Command, store: Store, tmp_path: Path, entry: str) -> None:
    """Whatever stands in its manifest, and whatever its folder is called."""
    texts = [text for text in TEXTS if text.encode(errors="ignore").decode() == text]  # no JSON holds the others
    hostile = dict(zip(texts, texts, strict=True))
    for text in texts:
        copy = Path(shutil.copytree(str(store.path), tmp_path / text))
        known = store.manifest
        edit = _edited(
            classifier=known["classifier"] | {"name": text},
            target=known["target"] | {"name": text},
            config=known["config"] | hostile,
            device=hostile,
            environment=known["environment"] | hostile,
        )
        edit(copy)
        status, said, complained = command(*ENTRIES[entry][:1], copy)
        assert (status, complained) == (0, "")
        assert printable(said)
        assert visible(text) in said


def test_names_of_photos_are_text(command: Command, in_folder: Path) -> None:
    """Those that can be used are swept, those that cannot are named."""
    (in_folder / "photos").mkdir()
    names = [text.replace("/", "") for text in TEXTS if text.isascii()]
    for i, name in enumerate(names):
        Image.fromarray(tiny.photo(i)).save(in_folder / "photos" / f"{name}.png")
        (in_folder / "photos" / f"{name}.jpg").write_text(f"no picture {i}")
    status, said, complained = command(*SMALL_SWEEP, "photos")
    assert (status, printable(complained), printable(said)) == (0, True, True)
    with open_store("data/store").connect() as connection:
        swept = connection.execute("select name from photos order by 1").fetchall()
    assert swept == sorted((f"{name}.png",) for name in names)
    status, said, _ = command("show", "data/store")
    assert (status, printable(said)) == (0, True)
    for name in names:
        assert visible(f"photos/{name}.jpg") in said


def test_a_store_may_be_anywhere(command: Command, in_folder: Path) -> None:
    out = Path("".join(name for name in TEXTS if name.isprintable()) + "\x1b[31m\u202e\n--seed")
    status, said, _ = command(*SMALL_SWEEP, "--out", out)
    assert (status, printable(said)) == (0, True)
    assert command("publish", out)[:2] == command("report", out)[:2] == (0, said)
    assert visible(in_folder / out) in said


@pytest.mark.parametrize("category", [Notice, UserWarning])
def test_warnings_are_text(capsys: pytest.CaptureFixture[str], category: type[Warning]) -> None:
    for text in TEXTS:
        cli._shown(category(text), category, "photos.py", 1)
        assert visible(text) in (said := capsys.readouterr().err)
        assert printable(said)


@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_is_one_printable_line(text: str) -> None:
    assert visible(text).replace("\u200c", "").replace("\u200d", "").isprintable()
    assert visible(visible(text)) == visible(text)
    assert not text.isprintable() or visible(text) == text


def test_letters_stay_as_they_are() -> None:
    for text in ("Ä ñ 狼蛛 паук", "नहीं\u200cक", "👨\u200d👩\u200d👧 \U0001f577\ufe0f", "\\x1b"):
        assert visible(text) == text
