"""Stores without pictures: every page works but for them, and says so."""

import io
from pathlib import Path

import numpy as np
import pytest
from make_store import make_store
from test_dashboard_pages import said, visit

from compute.store.opening import open_store
from compute.store.places.packing import pack
from dashboard import urls
from dashboard.data import boards
from dashboard.viewer import casefile, export


@pytest.mark.parametrize("page", urls.PAGES)
def test_without_pictures_every_page_works_and_says_so(made: Path, page: str) -> None:
    app = visit(made, page, pins="made-00000-r01") if page == "plate" else visit(made, page)
    assert app.title or page == "cases"
    assert not app.error and not app.exception
    assert ("holds no pictures" in said(app)) == (page in ("cases", "case", "plate", "blame", "attacks"))
    assert "cannot be read" not in said(app) and "unreadable" not in said(app)
    if page == "case":
        assert len(app.dataframe) == 1 and app.subheader
    if page == "attacks":
        assert "Still seen as" in said(app)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without pictures."""
    folder = tmp_path_factory.mktemp("made")
    whole = open_store(make_store(folder / "whole", cases=30, size=32))
    return Path(str(pack(whole, folder / "bare", images=False).path))


def test_arrays_of_a_case_without_pictures(made: Path) -> None:
    board = boards.open_board("bare", made)
    case = casefile.load(board, "made-00000-r01")
    assert isinstance(case, casefile.CaseFile)
    with np.load(io.BytesIO(export.case_npz(board, case))) as arrays:
        assert set(arrays) >= {"explainers", "pixels", "hits", "jaccard"} and "region" not in arrays
