"""Stores change, vanish and lie: what a page remembers is of the very files it shows, and reading images is bounded."""

import io
import json
import os
import shutil
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from make_store import make_store, rewrite
from PIL import Image, ImageFile

from compute.errors import InputError
from compute.store.opening import Store, open_store
from compute.store.png import png
from compute.store.schema import BLOB_ROW_GROUP, N_SIZES, TABLES
from dashboard.data import boards, queries
from dashboard.data.images import Images, decode

SIZE = 32


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made", cases=12, size=SIZE)


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "made"))


def best(board: boards.Board) -> float:
    """The best mean Jaccard index, as the pages cache it."""
    return max(e["mean_jaccard"].mean for e in boards.cached(queries.summary, board).explainers.values())


def without_hits(store: Path) -> pd.DataFrame:
    frame = pd.read_parquet(store / "explanations.parquet")
    return frame.assign(hits=pd.Series([[0] * N_SIZES] * len(frame)))


def test_a_damaged_copy_viewed_first_does_not_show_through_the_good_store(store: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(store, tmp_path / "copy" / "made"))
    kept = json.loads((copy / "manifest.json").read_text())
    rewrite(copy, "explanations", without_hits(copy))
    (copy / "manifest.json").write_text(json.dumps(kept))
    with suppress(InputError):
        assert best(boards.open_board("made", copy)) == 0
    assert best(boards.open_board("made", store)) > 0


def test_a_store_that_changes_is_opened_again_and_one_that_does_not_is_kept(store: Path) -> None:
    first = boards.open_board("made", store)
    assert boards.open_board("made", store) is first
    rewrite(store, "explanations", without_hits(store))
    second = boards.open_board("made", store)
    assert best(first) > 0 and best(second) == 0 and first.key != second.key


def test_a_store_that_changes_while_it_is_opened_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meddling(path: Path) -> Store:
        opened = open_store(path)
        os.utime(path / "explanations.parquet")
        return opened

    monkeypatch.setattr(boards, "open_store", meddling)
    with pytest.raises(InputError, match="changed while"):
        boards.open_board("made", store)


def test_folder_names_that_are_not_utf8_can_be_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    assert list(boards.find(tmp_path)) == ["caf\\xe9"]


def test_images_of_another_file_are_not_shown(store: Path) -> None:
    board = boards.open_board("made", store)
    photo = str(board.query("select min(photo_id) as id from photos")["id"].iloc[0])
    assert {kind for _, kind in board.images(photo)} == {"photo", "segments"}
    replaced = store / "replaced.parquet"
    shutil.copy(store / "images.parquet", replaced)
    replaced.replace(store / "images.parquet")
    assert board.images(photo) == {}
    (store / "images.parquet").unlink()
    assert board.images(photo) == {}


def rows(count: int, data: bytes = b"x", *, owner: str = "a", kind: str = "photo") -> pa.Table:
    columns = [[owner] * count, [kind] * count, [data] * count]
    return pa.table(columns, schema=TABLES["images"])


def test_only_what_a_store_can_hold_is_read(tmp_path: Path) -> None:
    cases = {
        "sound": (rows(1), {"a": b"x"}),
        "too many rows a group": (rows(BLOB_ROW_GROUP + 1), {}),
        "too many bytes": (rows(BLOB_ROW_GROUP, bytes(2**17)), {}),
        "an endless name": (rows(1, owner="a" + "b" * 10**5), {}),
        "unknown kind": (rows(1, kind="entry:unknown"), {}),
    }
    for name, (table, expected) in cases.items():
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=1000)
        file = {"name": path.name, "least": "a", "greatest": "b"}
        manifest = {
            "explainers": [{"name": "lime"}],
            "classifier": {"size": SIZE},
            "tables": {"images": {"files": [file]}},
        }
        found = Images(Store(tmp_path, manifest, {}, {})).read(table["owner"].to_pylist()[:1])
        assert {owner: data for (owner, _), data in found.items()} == expected, name


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more than a store holds."""
    data = bytearray(png(np.zeros((SIZE, SIZE, 3), np.uint8)))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def other_format() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (SIZE, SIZE)).save(buffer, "BMP")
    return buffer.getvalue()


NOT_DECODED = {
    "missing": None,
    "empty": b"",
    "larger": bomb(2 * SIZE, 2 * SIZE),
    "huge": bomb(2**15, 2**15),
    "not square": bomb(SIZE, SIZE - 1),
    "grey": png(np.zeros((SIZE, SIZE), np.uint8)),
    "another format": other_format(),
}


@pytest.mark.parametrize("kind", NOT_DECODED)
def test_the_header_is_looked_at_before_anything_is_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded.append)
    assert decode(NOT_DECODED[kind], "photo", SIZE) is None
    assert not decoded


def test_images_are_decoded_as_they_are() -> None:
    arrays = {"photo": (3, np.uint8), "segments": (0, np.uint16), "entry:lime": (0, np.uint8)}
    for kind, (channels, dtype) in arrays.items():
        array = np.arange(SIZE * SIZE * max(1, channels)).astype(dtype)
        array = array.reshape((SIZE, SIZE, channels) if channels else (SIZE, SIZE))
        found = decode(png(array), kind, SIZE)
        assert found is not None and np.array_equal(found, array)
    assert decode(png(np.zeros((SIZE, SIZE, 3), np.uint8))[:-30], "photo", SIZE) is None
