"""Figures for papers: every chart of a page becomes a file of the asked width, in one of three formats."""

import inspect
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from make_store import make_store
from matplotlib.figure import Figure
from PIL import Image

from dashboard.data import boards
from dashboard.data.selection import Selection
from dashboard.figures import attacks, blame, clicks, explainers, overview, paper, scatter
from dashboard.figures import board as of_the_board

NAMES = ("saliency", "guided_backprop", "lime", "random")
CHARTS: list[tuple[Callable[..., go.Figure], tuple[Any, ...]]] = [
    (of_the_board.forest, ("mean_jaccard",)),
    (of_the_board.forest, ("restored", True)),
    (of_the_board.specificity, ()),
    (of_the_board.cost, ()),
    (of_the_board.pairs, ()),
    (overview.likeness_curves, (False, NAMES)),
    (overview.rank_plot, (True,)),
    (explainers.distributions, ("jaccard", "mean", "", NAMES)),
    (explainers.distributions, ("jaccard", "mean", "random", NAMES)),
    (explainers.win_matrix, ("jaccard", "mean", NAMES)),
    (explainers.band_curves, ("jaccard", "mean", "random", NAMES)),
    (explainers.rank_shares, ("jaccard", NAMES)),
    (explainers.group_dots, ("photo", "hardest", "jaccard", "mean", "", NAMES)),
    (attacks.by_size, ()),
    (attacks.by_rank, ()),
    (attacks.spreads, ()),
    (blame.atlas, ()),
    (scatter.scatter, (Selection("lime", minus="random"), "region_share")),
]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    return boards.open_board("made", make_store(tmp_path_factory.mktemp("stores") / "made", cases=60, size=32))


@pytest.mark.parametrize(("draw", "arguments"), CHARTS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_chart_is_a_vector_graphic_without_fonts(
    board: boards.Board, draw: Callable[..., go.Figure], arguments: tuple[Any, ...]
) -> None:
    figure = draw(board, *arguments)
    root = ET.fromstring(paper.render(figure, "svg", 175))
    assert float(root.attrib["width"].removesuffix("pt")) == pytest.approx(175 / 25.4 * 72, abs=0.1)
    assert not root.findall(".//{*}text") and len(root.findall(".//{*}path")) > 10
    photos = board.query("select count(distinct photo_id) as photos from cases")["photos"].iloc[0]
    asked = inspect.signature(draw).bind(board, *arguments).arguments
    legend = clicks.caption(draw, board, asked, figure.layout.meta or "")
    assert re.fullmatch(rf"\S.+[\w)]\. made, \d+ cases of {photos} photos\.", legend)
    for name, words in {
        "mean_jaccard": "mean Jaccard index",
        "mean": "mean over n",
        "random": "minus Random baseline",
    }.items():
        assert words in legend or name not in arguments


@pytest.mark.parametrize("millimetres", paper.MILLIMETRES)
def test_pages_are_as_wide_as_a_column(board: boards.Board, millimetres: int) -> None:
    figure = of_the_board.forest(board, "mean_jaccard")
    pdf = paper.render(figure, "pdf", millimetres)
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) [\d.]+ ?\]", pdf)
    assert box and float(box[1]) == pytest.approx(millimetres / 25.4 * 72, abs=0.1) and b"/FontFile2" in pdf
    image = Image.open(io.BytesIO(paper.render(figure, "png", millimetres)))
    assert image.width == pytest.approx(millimetres / 25.4 * paper.DPI, abs=1)
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)


def test_texts_of_a_store_are_drawn_as_they_are(tmp_path: Path) -> None:
    evil = r"a$\frac{$ <b>b</b> &lt; %{x}"
    board = boards.open_board("made", make_store(tmp_path / "made", cases=12, size=32, explainers=("lime", evil)))
    assert paper.render(of_the_board.forest(board, "mean_jaccard"), "svg", 175)
    assert paper.plain(overview.label(evil)) == "A" + evil[1:]


def test_axes_of_few_counts_have_whole_numbers() -> None:
    panel = Figure().add_subplot()
    for whole, layout in ((False, {"range": [0, 2]}), (True, {"range": [0, 2], "dtick": 1})):
        paper._axis(panel, "y", layout)
        assert all(float(tick).is_integer() for tick in panel.get_yticks()) == whole


def test_panels_that_share_an_axis_have_its_ends() -> None:
    panels = dict(zip(("x", "x2", "x3"), Figure().subplots(1, 3), strict=True))
    for end, panel in enumerate(panels.values(), start=1):
        panel.set_xlim(-end, end)
    paper._match(panels, {"xaxis": {}, "xaxis2": {"matches": "x"}, "xaxis3": {}}, "x")
    assert [panel.get_xlim() for panel in panels.values()] == [(-2, 2), (-2, 2), (-3, 3)]


def test_a_legend_names_only_what_is_drawn() -> None:
    figure = go.Figure([go.Bar(x=[1], y=[2], name="some"), go.Bar(x=[], y=[], name="none")])
    panel = Figure().add_subplot()
    for trace in figure.data:
        paper._bar(panel, trace)
    assert panel.get_legend_handles_labels()[1] == ["some"]


def test_captions_are_whole_sentences() -> None:
    assert clicks.about(explainers.distributions).endswith("a score within 0.05")
    assert clicks.about(of_the_board.forest).endswith("with intervals over photos")
