"""Finding photos: what is taken, and what is passed over and said."""

import os
from pathlib import Path

import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from pictures import only, saved
from PIL import Image

from compute.errors import InputError
from compute.inputs import decode, files
from compute.inputs.photos import find, load
from compute.inputs.source import PhotoError


def test_two_files_of_one_name_are_two_photos(tmp_path: Path) -> None:
    for seed, folder in enumerate(("a", "b")):
        (tmp_path / folder).mkdir()
        saved(tmp_path / folder / "Same Name.png", Image.fromarray(tiny.photo(seed)))
    found, passed = find([str(tmp_path)])
    assert not passed
    assert len({source.photo_id for source in found}) == 2
    assert all(source.photo_id.startswith("same-name-") for source in found)


def test_the_same_photo_counts_once_and_says_where(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        saved(tmp_path / name)
    found, passed = find([str(tmp_path)])
    assert [source.name for source in found] == ["a.png"]
    assert passed == [(str(tmp_path / "b.png"), f"the same photo as {tmp_path / 'a.png'}")]


def test_order_of_what_is_given_does_not_matter(tmp_path: Path) -> None:
    paths = [str(saved(tmp_path / f"{name}.png", Image.fromarray(tiny.photo(i)))) for i, name in enumerate("cab")]
    forward, _ = find(paths)
    backward, _ = find(paths[::-1])
    assert forward == backward
    assert [source.name for source in forward] == ["a.png", "b.png", "c.png"]
    ids = [source.photo_id for source in forward]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), r"no photo found \(looked for .apng"),
        (("notes.txt",), r"no photo found .*; 1 .txt file \(.*notes.txt\): is none of AVIF"),
    ],
)
def test_no_photo_is_an_error_that_says_what_was_there(tmp_path: Path, names: tuple[str, ...], said: str) -> None:
    for name in names:
        (tmp_path / name).write_text("no photo")
    with pytest.raises(InputError, match=f"--photos {tmp_path}: {said}"):
        find([str(tmp_path)])


@pytest.mark.parametrize(
    ("path", "reason"),
    [("nowhere", "no such file or folder"), ("a" * 300, "cannot be read"), ("a\0b", "cannot be read"),
     ("\udcff", "no such file or folder")],
)  # fmt: skip
def test_a_path_that_cannot_be_read_is_an_error(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as raised:
        find([str(tmp_path / path)])
    str(raised.value).encode()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _broken_link(path: Path) -> None:
    path.symlink_to("gone.png")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(decode.MAX_BYTES + 1)


UNREADABLE = {
    "pipe": (_pipe, "not a regular file"),
    "device": (_device, "not a regular file"),
    "broken link": (_broken_link, "cannot be read (No such file or directory)"),
    "huge": (_huge, "1,073,741,825 bytes: more than 1,073,741,824 are not read"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_an_unreadable_file_is_passed_over(tmp_path: Path, kind: str) -> None:
    """A photo, and a label image, which takes its photo with it."""
    make, reason = UNREADABLE[kind]
    for i, name in enumerate("ab"):
        saved(tmp_path / f"{name}.png", Image.fromarray(tiny.photo(i)))
    make(tmp_path / "c.png")
    make(tmp_path / "b.regions.png")
    found, passed = find([str(tmp_path)])
    assert [source.name for source in found] == ["a.png"]
    assert passed == [
        (str(tmp_path / "b.png"), f"b.regions.png: {reason}"),
        (str(tmp_path / "c.png"), reason),
    ]


def test_a_photo_s_name_may_be_as_long_as_names_can_be(tmp_path: Path) -> None:
    ((source,), passed) = find([str(saved(tmp_path / f"{'a' * 251}.png"))])
    assert not passed
    assert len(source.photo_id) < 60


def test_what_a_folder_holds_besides_is_said_once_a_kind(tmp_path: Path) -> None:
    (tmp_path / "within").mkdir()
    saved(tmp_path / "within" / "a.png")
    (tmp_path / "linked").symlink_to("within")
    (tmp_path / "within" / "round").symlink_to("..")
    names = ["1.svg", "2.svg", "3.svg", "4.SVG", "SOURCES", "b.regions.png", "a.regions.tif", "SOURCES.csv"]
    for name in names:
        (tmp_path / name).touch()
    found, passed = find([str(tmp_path)])
    assert [source.name for source in found] == ["a.png"]
    none = f"is none of {', '.join(decode.FORMATS)}"
    assert [(name.replace(f"{tmp_path}/", ""), reason) for name, reason in passed] == [
        ("2 label images (a.regions.tif, b.regions.png)",
         "none beside it is its photo: NAME.regions.png belongs to NAME.jpg or the like"),
        ("2 linked folders (linked, within/round)", "not followed: give --photos the folder itself"),
        ("4 .svg files (1.svg, 2.svg, 3.svg, ...)", none),
        ("1 other file (SOURCES)", none),
    ]  # fmt: skip


def test_a_folder_of_countless_kinds_is_a_few_words(tmp_path: Path) -> None:
    saved(tmp_path / "a.png")
    for i in range(100):
        (tmp_path / f"a.{i}").touch()
    _, passed = find([str(tmp_path)])
    assert len(passed) == files.MOST_KINDS + 1
    assert passed[-1][0] == f"{100 - files.MOST_KINDS} files of {100 - files.MOST_KINDS} other kinds"


def test_heic_without_its_decoder_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "FORMATS", tuple(name for name in decode.FORMATS if name != "HEIF"))
    monkeypatch.setattr(files, "SUFFIXES", decode.SUFFIXES - {".heic"})
    for name in ("a.png", "b.heic"):
        saved(tmp_path / name)
    needs = "needs pillow-heif: pip install 'wolfspider[heif]'"
    assert find([str(tmp_path)])[1] == [(f"1 .heic file ({tmp_path / 'b.heic'})", needs)]
    with pytest.raises(PhotoError, match=r"not a readable image \(needs pillow-heif"):
        load(only(tmp_path / "b.heic"), 64)


NAMES = st.binary(min_size=1, max_size=60).filter(lambda name: not set(b"/\0") & set(name) and name != b"good")


@given(name=NAMES)
def test_a_name_of_any_bytes_is_taken_or_said_and_can_be_stored(
    tmp_path_factory: pytest.TempPathFactory, name: bytes
) -> None:
    folder = tmp_path_factory.mktemp("names")
    saved(folder / "good.png")
    path = os.fsencode(folder) + b"/" + name + b".png"
    with Path(os.fsdecode(path)).open("xb") as file:
        Image.fromarray(tiny.photo(0)).save(file, "PNG")  # Pillow takes no format from a name like "..png"
    found, passed = find([str(folder)])
    assert len(found) + len(passed) == 2
    for text in [text for s in found for text in (s.name, s.origin, s.photo_id)] + [t for both in passed for t in both]:
        text.encode()
    assert all(kind.startswith("1 non-UTF-8 name (") and "rename" in reason for kind, reason in passed)


def test_bundled_photos_are_the_six_with_their_licences() -> None:
    found, passed = find([])
    assert not passed
    names = {source.name for source in found}
    assert names == {"astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "china.jpg", "flower.jpg"}
    assert all(source.licence and "bundled" in source.origin for source in found)


LISTS = {
    "as written": b"file,licence\na.png,CC0-1.0\n",
    "byte-order mark": "\ufefffile,licence\na.png,CC0-1.0\n".encode(),
    "semicolons": b"file;author;licence\r\na.png;Someone, somewhere;CC0-1.0\r\n",
    "tabs": b"file\tlicence\na.png\tCC0-1.0\n",
    "American": b"Filename, License\na.png, CC0-1.0\n",
    "UTF-16": "file,licence\na.png,CC0-1.0\n".encode("utf-16"),
    "Windows": "file,author,licence\na.png,J\xf6rg,CC0-1.0\n".encode("cp1252"),
    "quoted": b'"licence","file"\n"CC0-1.0","a.png"\n\n"",""\n',
}


@pytest.mark.parametrize("kind", LISTS)
def test_licences_come_from_the_list_beside_the_photos(tmp_path: Path, kind: str) -> None:
    saved(tmp_path / "a.png")
    (tmp_path / "SOURCES.csv").write_bytes(LISTS[kind])
    ((source,), passed) = find([str(tmp_path)])
    assert source.licence == "CC0-1.0"
    assert not passed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"file,licence\nb.png,CC0-1.0\na.png,\n", "names no licence for 1 of 2 photos (a.png)"),
        (b"file,rights\na.png,CC0-1.0\n", "no licences read: the columns `file` and `licence` are not both there"),
        (b"", "no licences read: the columns `file` and `licence` are not both there"),
        (b"\xff\xfe\x00", "no licences read: 'utf-16-le' codec can't decode byte 0x00 in position 2: truncated data"),
        (b"file,licence\n" + b"a" * 200_000, "no licences read: field larger than field limit (131072)"),
        (None, "no licences read: not a regular file"),
    ],
)
def test_a_list_that_leaves_photos_without_a_licence_is_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    for i, name in enumerate("ab"):
        saved(tmp_path / f"{name}.png", Image.fromarray(tiny.photo(i)))
    path = tmp_path / "SOURCES.csv"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    _, passed = find([str(tmp_path)])
    assert passed == [(str(path), reason)]
