"""Downloads: what is read back is what the store holds."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from make_store import make_store, rewrite

from compute.store.png import from_png
from dashboard.data import boards, matching
from dashboard.data.selection import Selection
from dashboard.viewer import casefile, export


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    path = make_store(tmp_path_factory.mktemp("stores") / "made", cases=24, size=32)
    return boards.open_board("made", path)


def test_a_case_as_npz_gives_the_scores_again(board: boards.Board) -> None:
    case_id = matching.page(board.query, Selection("lime"), size=1)["case_id"].iloc[0]
    case = casefile.load(board, case_id)
    assert isinstance(case, casefile.CaseFile)
    archive = np.load(io.BytesIO(export.case_npz(board, case)), allow_pickle=False)
    assert np.array_equal(archive["photo"], from_png(case.pictures["photo"]))
    changed = (archive["photo"] != archive["adversarial"]).any(axis=2)
    assert changed.any() and not (changed & ~archive["region"]).any()
    for i, name in enumerate(archive["explainers"]):
        for n in (1, 20):
            entry = archive[f"entry_{name}"]
            chosen = (entry > 0) & (entry <= n)
            assert chosen.sum() == archive["pixels"][i, n - 1]
            union = (chosen | archive["region"]).sum()
            assert (chosen & archive["region"]).sum() / union == pytest.approx(archive["jaccard"][i, n - 1])
    readme = archive["README.md"].decode()
    assert case_id in readme
    assert json.loads(readme.split("```json")[1].split("```")[0])["case_id"] == case_id


def test_a_selection_as_csv_and_parquet(board: boards.Board) -> None:
    selection = Selection("saliency", "hamming", "7", min_share=0.06, order="small")
    expected = matching.everything(board.query, selection)
    csv = pd.read_csv(io.BytesIO(export.table_csv(board, selection)))
    parquet = pq.read_table(io.BytesIO(export.table_parquet(board, selection)))
    for found in (csv, parquet.to_pandas()):
        assert found["case_id"].tolist() == expected["case_id"].tolist()
        assert found["score"].to_numpy() == pytest.approx(expected["score"].to_numpy())
        assert set(found["explainer"]) == {"saliency"} and set(found["measure"]) == {"hamming"}
        assert (found["score_n"] == 7).all() and (found["best_n"] == 7).all()
        methods = found[[f"hamming {name}" for name in ("saliency", "guided_backprop", "lime")]]
        assert found["gap"].to_numpy() == pytest.approx((methods.max(axis=1) - methods.min(axis=1)).to_numpy())
        assert methods.to_numpy()[0].max() == found[f"hamming {found['best_method'].iloc[0]}"].iloc[0]
        assert found["score"].to_numpy() == pytest.approx(found["hamming saliency"].to_numpy())
    origin = json.loads(parquet.schema.metadata[b"wolfspider"])
    file = board.manifest["tables"]["explanations"]["files"][0]
    assert origin["sha256"][file["name"]] == file["sha256"]
    assert origin["selection"] == selection.to_params()


@pytest.mark.parametrize("case_id", ["", "../../etc/passwd", "made-00000-r99", "'; drop table cases; --", "a\x00b"])
def test_no_other_id_opens_anything(board: boards.Board, case_id: str) -> None:
    assert casefile.load(board, case_id) is None


def test_of_a_case_whose_pictures_are_damaged_there_are_the_scores(tmp_path: Path) -> None:
    path = make_store(tmp_path / "broken", cases=6, size=32)
    images = pq.read_table(path / "images.parquet")
    pngs = [b"\x89PNG nothing" if kind == "segments" else png for kind, png in zip(*(images[c].to_pylist() for c in ("kind", "png")), strict=True)]  # fmt: skip # noqa: E501
    rewrite(path, "images", images.to_pandas().assign(png=pngs))
    board = boards.open_board("broken", path)
    case_id = board.query("select case_id from cases limit 1")["case_id"].iloc[0]
    case = casefile.load(board, case_id)
    assert case and case.unreadable == ("segments",) and not case.pictures and not case.region.size
    arrays = np.load(io.BytesIO(export.case_npz(board, case)))
    assert "photo" not in arrays and arrays["jaccard"].shape == (len(board.explainers), 20)
