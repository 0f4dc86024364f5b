"""The failure plate: its figure, and pins under Streamlit's own test runner."""

import base64
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from make_store import SKILL, make_store
from PIL import Image
from streamlit.testing.v1 import AppTest

import dashboard
from compute.store.png import png
from dashboard import STORES_VARIABLE
from dashboard.data import boards, matching
from dashboard.data.selection import Selection, join_names
from dashboard.viewer import plate, sheet

APP = Path(dashboard.__file__).with_name("app.py")
EVIL = "</text><script>alert(1)</script>&x;\u202e"


@pytest.fixture(scope="module", params=[3, 9, 40])
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    """A store of so many methods."""
    names = ("random", "lime", *(f"method_{i}" for i in range(request.param - 2)))
    path = make_store(tmp_path_factory.mktemp("stores") / "made", cases=30, size=32, explainers=names)
    return boards.open_board("made", path)


def visit(board: boards.Board, monkeypatch: pytest.MonkeyPatch, page: str, /, **params: str) -> AppTest:
    monkeypatch.setenv(STORES_VARIABLE, str(board.store.path))
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page(f"views/{page}.py")
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception and not any("could not be drawn" in str(e.value) for e in app.error)
    return app


def _param(app: AppTest, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


@pytest.mark.parametrize(
    ("page", "params"),
    [
        ("cases", {}),
        ("cases", {"order": "gap"}),
        ("cases", {"view": "table", "minus": "random"}),
        ("cases", {"view": "scatter", "trait": "visibility", "minus": "random", "explainer": "lime"}),
        ("case", {"panels": "restored"}),
        ("blame", {}),
        ("plate", {"pins": "made-00000-r01,made-00001-r02,made-00099-r01", "size": "5"}),
    ],
)
def test_pages_of_few_and_many_methods(
    board: boards.Board, monkeypatch: pytest.MonkeyPatch, page: str, params: dict[str, str]
) -> None:
    app = visit(board, monkeypatch, page, **params)
    assert not app.error and app.title


def test_pins_go_from_page_to_page_and_survive_going_back(board: boards.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = matching.page(board.query, Selection("lime"), size=2)["case_id"]
    app = visit(board, monkeypatch, "case", case=one, explainer="lime")
    app.button(key="pin").click().run()
    assert _param(app, "pins") == one
    app.query_params["case"] = two
    del app.query_params["pins"]  # an older entry of the browser's history
    app.run()
    app.button(key="pin").click().run()
    assert _param(app, "pins") == f"{one},{two}"
    app.switch_page("views/plate.py").run()
    assert _param(app, "pins") == f"{one},{two}" and "**2** of at most 12" in " ".join(m.value for m in app.markdown)
    app.button(key=f"unpin_{one}").click().run()
    assert _param(app, "pins") == two


def test_a_plate_without_pins_offers_the_worst_cases(board: boards.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(board, monkeypatch, "plate")
    app.button[0].click().run()
    best = next(m.options[0] for m in app.multiselect)
    assert best and len(_param(app, "pins").split(",")) == 6 and not app.exception


def test_the_figure_has_a_picture_for_every_cell(tmp_path: Path) -> None:
    store = make_store(tmp_path / "made", cases=12, size=32)
    board = boards.open_board("made", store)
    ids = tuple(matching.page(board.query, Selection("lime"), size=3)["case_id"])
    made = plate.drawn(board, ids, tuple(SKILL), plate.REGION)
    _, heads, rows = made
    panels = [panel for row in rows for panel in row]
    assert "LIME" in heads and sum(panel.lines[0].startswith("J ") for panel in panels) == 3 * len(SKILL)
    root = ET.fromstring(plate.as_svg(board, ids, tuple(SKILL), plate.REGION))
    assert not root.findall(".//{*}text")  # no font is needed
    link = "{http://www.w3.org/1999/xlink}href"
    images = [base64.b64decode(i.attrib[link].split(",")[1]) for i in root.findall(".//{*}image")]
    for panel, image in zip(panels, images, strict=True):  # lossless
        assert panel.picture is not None
        assert np.array_equal(np.array(Image.open(io.BytesIO(image)).convert("RGB")), panel.picture)
    for width in (85, 175):
        pdf = sheet.render(*made, "pdf", width)
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) [\d.]+ ?\]", pdf)
        assert box and float(box[1]) == pytest.approx(width / 25.4 * 72, abs=0.1)
        assert pdf.count(b"/Subtype /Image") >= len(panels) and b"/FontFile2" in pdf
        pixels = Image.open(io.BytesIO(sheet.render(*made, "png", width)))
        assert pixels.width == pytest.approx(width / 25.4 * sheet.DPI, abs=1)


def test_a_figure_shows_texts_as_they_are_and_says_what_is_unreadable() -> None:
    photo = png(np.zeros((8, 8, 3), np.uint8))
    cell = sheet.panel({"photo": photo, "segments": b"damaged"}, 8, 0, None, [EVIL])
    root = ET.fromstring(sheet.render(EVIL, [EVIL], [[cell]], "svg"))
    assert cell.picture is None and not root.findall(".//{*}script")


def test_sizes_are_matched_to_the_region() -> None:
    sizes = {"a": [10, 25, 60], "b": [5, 8, 8]}  # b: by superpixels of its own, fewer than asked for
    scores = pd.concat(
        [pd.DataFrame({"explainer": e, "n": [1, 2, 3], "pixels": pixels}) for e, pixels in sizes.items()]
    )
    found = plate.matched(scores, 30).set_index("explainer")["n"]
    assert found.to_dict() == {"a": 2, "b": 2}
    assert plate.matched(scores.iloc[:0], 30).empty


def test_names_of_cases_survive_a_link() -> None:
    names = ["a,b-r01", "ü %2C-r02", "a&b=c-r03"]
    assert Selection("lime", among=join_names(names)).to_params()["among"].count(",") == 2
