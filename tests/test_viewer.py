"""The viewer's payload and the thumbnails, without a browser."""

import io
import json
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from make_store import make_store, rewrite

from compute.store.png import from_png, png
from dashboard.data import boards
from dashboard.viewer import casefile, thumbnails
from dashboard.viewer import component as viewer
from dashboard.viewer.export import case_npz


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    path = make_store(tmp_path_factory.mktemp("stores") / "made", cases=12, size=32)
    return boards.open_board("made", path)


def _case(board: boards.Board) -> casefile.CaseFile:
    case = casefile.load(board, board.query("select min(case_id) as id from cases")["id"].iloc[0])
    assert isinstance(case, casefile.CaseFile)
    return case


def unpack(payload: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    end = 4 + int.from_bytes(payload[:4], "little")
    header = json.loads(payload[4:end])
    blobs = {}
    for name, size in header["blobs"]:
        blobs[name] = payload[end : end + size]
        end += size
    assert end == len(payload)
    return header, blobs


def test_the_payload_holds_maps_that_give_the_stored_counts(board: boards.Board) -> None:
    case = _case(board)
    header, blobs = unpack(viewer.payload(board, case, 7, 1))
    region = np.frombuffer(blobs["region"], np.uint8).astype(bool)
    assert header["n"] == 7 and region.sum() == case.facts["region_pixels"]
    for i, explainer in enumerate(header["explainers"]):
        entry = np.frombuffer(blobs[f"entry{i}"], np.uint8)
        for n in (1, 7, 20):
            chosen = (entry > 0) & (entry <= n)
            assert chosen.sum() == explainer["pixels"][n - 1]
            jaccard = (chosen & region).sum() / (chosen | region).sum()
            assert jaccard == pytest.approx(explainer["jaccard"][n - 1], abs=1e-6)
    assert np.array_equal(from_png(blobs["photo"]), from_png(case.pictures["photo"]))


def test_baselines_have_no_rank_and_superpixels_have_weights(board: boards.Board) -> None:
    header, _ = unpack(viewer.payload(board, _case(board), None, 1))
    by_label = {e["label"]: e for e in header["explainers"]}
    assert by_label["Random baseline"]["rank_jaccard"] == [None] * 20
    assert len(by_label["LIME"]["weights"]) == 20 and "R²" in by_label["LIME"]["note"]
    assert "weights" not in by_label["Classic saliency"]
    ranked = [e["rank_jaccard"] for e in header["explainers"] if not e["baseline"]]
    assert np.sum(ranked, axis=0) == pytest.approx(6.0)


def test_a_case_is_told_with_the_target_of_its_photo(tmp_path: Path) -> None:
    path = make_store(tmp_path / "made", cases=12, size=32)
    photos = pd.read_parquet(path / "photos.parquet")
    rewrite(path, "photos", photos.assign(target_class=[f"class {i}" for i in range(len(photos))]))
    board = boards.open_board("made", path)
    case = casefile.load(board, board.query("select max(case_id) as id from cases")["id"].iloc[0])
    assert isinstance(case, casefile.CaseFile)
    name = f"class {len(photos) - 1}"
    assert case.facts["target_class"] == name
    assert f"{name}: 0.01 %" in unpack(viewer.payload(board, case, None, 1))[0]["captions"]["photo"]
    with zipfile.ZipFile(io.BytesIO(case_npz(board, case))) as archive:
        assert f"target `{name}`" in archive.read("README.md").decode()


def test_strange_diagnostics_are_left_out(board: boards.Board) -> None:
    strange: list[Any] = [None, [], "many", [1, "two"], {}, [float("nan")], [10**400]]
    for weights in strange:
        assert viewer._superpixels({"weights": weights}) == {}


def test_outline_is_the_inner_edge() -> None:
    region = np.zeros((8, 8), bool)
    region[2:6, 2:6] = True
    edge = thumbnails.outline(region)
    assert edge.sum() == 12 and not edge[3:5, 3:5].any() and not edge[~region].any()
    assert not thumbnails.outline(np.ones((8, 8), bool)).any()


def test_thumbnail_colours_hits_and_false_alarms_only_up_to_n() -> None:
    photo = np.full((8, 8, 3), 100, np.uint8)
    region = np.zeros((8, 8), bool)
    region[:, :4] = True
    chosen = np.zeros((8, 8), bool)
    chosen[4, (1, 6)] = True
    out = thumbnails.draw(photo, region, chosen).astype(int)
    assert out[4, 1, 0] > 150 and out[4, 1, 2] < 100
    assert out[4, 6, 0] > 130 and out[4, 6, 1] < 80
    assert (out[0, 0] == out[0, 1]).all() and (out[4, 3] == 255).all()


def test_thumbnail_of_unreadable_or_unfitting_pictures() -> None:
    photo, labels = png(np.zeros((8, 8, 3), np.uint8)), png(np.zeros((8, 8), np.uint16))
    entry = png(np.ones((4, 4), np.uint8))
    draw = partial(thumbnails.thumbnail, size=8, segment=0, n=5)
    assert draw(photo, labels, None) is not None
    assert draw(photo, labels, entry) is None
    assert draw(photo, labels, b"nothing") is None
    assert draw(b"nothing", labels, None) is None
    assert draw(photo, png(np.zeros((4, 4), np.uint16)), None) is None
    assert draw(photo, None, None) is None
