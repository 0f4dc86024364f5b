"""A visitor's whole way in a real browser; skipped, with the reason, where there is none."""

import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from make_store import make_store, rewrite
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from served import needs_chromium, served, settled

from dashboard.data import boards, matching
from dashboard.data.selection import Selection
from dashboard.viewer import casefile

pytestmark = [pytest.mark.browser, needs_chromium]
SIZE = 96


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made", cases=60, size=SIZE)


@pytest.fixture(scope="module")
def board(store: Path) -> boards.Board:
    return boards.open_board("made", store)


@pytest.fixture(scope="module")
def address(store: Path) -> Iterator[str]:
    with served(store) as address:
        yield address


def opened(page: Page, case_id: str | None = None) -> Any:
    """The viewer once it has drawn a case."""
    viewer = page.locator(".viewer[data-drawn]" if case_id is None else f".viewer[data-case='{case_id}']")
    expect(viewer).to_be_visible(timeout=20000)
    expect(page.locator("[data-testid=stException]")).to_have_count(0)
    return viewer


def test_a_deep_link_is_the_first_thing_that_a_server_is_asked(address: str, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime&min_share=0.05")
    expect(page.get_by_role("heading", name="Cases", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Explainers", exact=True)).to_be_visible()  # the frame's menu


def test_the_whole_way(address: str, board: boards.Board, page: Page, context: BrowserContext) -> None:
    page.goto(address)
    expect(page.locator("h1")).to_be_visible()
    page.get_by_role("link", name="Explainers", exact=True).click()
    click_an_aggregate(page)
    expect(page.get_by_role("heading", name="Cases", exact=True)).to_be_visible()
    assert "/cases?" in page.url and "explainer=" in page.url

    page.goto(f"{address}/cases?explainer=lime")
    page.get_by_text("Largest disagreement").click()
    page.wait_for_url(re.compile("question=disagreement"))
    selection = Selection("lime", question="disagreement")
    ids = matching.everything(board.query, selection)["case_id"].tolist()
    expect(page.get_by_text(f"{len(ids)} cases", exact=True)).to_be_visible()
    settled(page)
    first = board.query("select photo_name, region_rank from cases where case_id = ?", [ids[0]]).iloc[0]
    page.get_by_role("link", name=f"{first['photo_name']}, region {first['region_rank']}").last.click()
    viewer = opened(page, ids[0])
    assert "question=disagreement" in page.url and f"case={ids[0]}" in page.url

    drag(page, viewer, 5)
    expect(viewer).to_have_attribute("data-drawn", "5")
    page.wait_for_url(re.compile("[?&]at=5"))
    page.locator("body").press("j")
    opened(page, ids[1])
    expect(page.get_by_text(f"2 of {len(ids)} cases")).to_be_visible()
    page.locator("body").press("k")
    viewer = opened(page, ids[0])
    page.locator("body").press("ArrowRight")
    expect(viewer).to_have_attribute("data-drawn", "6")
    page.wait_for_url(re.compile("[?&]at=6"))

    link = page.url
    other = context.new_page()  # a session of its own
    other.goto(link)
    expect(opened(other, ids[0])).to_have_attribute("data-drawn", "6")
    other.close()

    with page.expect_download() as download:
        page.get_by_role("button", name="Arrays (.npz)").click()
    arrays = np.load(download.value.path())
    assert arrays["photo"].shape == (SIZE, SIZE, 3) and "README.md" in arrays.files


def drag(page: Page, viewer: Any, n: int) -> None:
    """Drag the viewer's slider from its left end to n."""
    settled(page)  # what is above the viewer may come later and move it
    slider = viewer.locator("input[type=range]")
    slider.hover()  # waits until it has come to rest
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + (n - 1) / 19 * (box["width"] - 16), middle, steps=12)
    page.mouse.up()


def click_an_aggregate(page: Page) -> None:
    """Click the first bar or point of a chart on Explainers that leads to cases."""
    mark = page.locator(".js-plotly-plot .bars .point, .js-plotly-plot .points .point").first
    mark.wait_for()
    settled(page)
    box = mark.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def test_every_pixel_is_drawn_as_the_store_says(address: str, board: boards.Board, page: Page) -> None:
    case_id = matching.page(board.query, Selection("lime"), size=1)["case_id"].iloc[0]
    case = casefile.load(board, case_id)
    assert isinstance(case, casefile.CaseFile)
    page.goto(f"{address}/case?case={case_id}&at=3")
    viewer = opened(page, case_id)
    for n in (3, 11):
        viewer.locator("input[type=range]").fill(str(n))
        expect(viewer).to_have_attribute("data-drawn", str(n))
        for i, name in enumerate(board.explainers):
            drawn = np.array(
                viewer.locator("canvas").nth(4 + i).evaluate(
                    "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data)"
                )
            ).reshape(SIZE, SIZE, 4)[..., :3].astype(int)  # fmt: skip
            chosen = (case.entries[name] > 0) & (case.entries[name] <= n)
            region = case.region.astype(bool)
            red, green, blue = drawn[..., 0], drawn[..., 1], drawn[..., 2]
            kind = np.select(
                [(red > 160) & (green > 140), (blue > 160) & (red < 150), (red > 150) & (green < 130)], [3, 1, 2], 0
            )
            assert np.array_equal(kind, 2 * chosen + region), (name, n)


def test_a_slider_move_is_drawn_within_two_frames(address: str, page: Page) -> None:
    page.goto(f"{address}/case")
    viewer = opened(page)
    times = viewer.evaluate(
        """async (root) => {
          const slider = root.querySelector("input[type=range]"), times = [];
          for (let i = 0; i < 40; i++) {
            slider.value = 1 + (i % 20);
            const start = performance.now();
            slider.dispatchEvent(new Event("input"));
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            if (root.dataset.drawn !== slider.value) throw new Error("not drawn after two frames");
            times.push(performance.now() - start);
          }
          return times;
        }"""
    )
    print(f"slider to picture: median {np.median(times):.1f} ms, worst {max(times):.1f} ms")
    assert np.median(times) < 60


def test_zoom_keeps_all_pictures_in_step(address: str, page: Page) -> None:
    page.goto(f"{address}/case")
    viewer = opened(page)
    frames = viewer.locator(".frame")
    frames.nth(1).dblclick(position={"x": 30, "y": 40})
    shown = viewer.locator("canvas").evaluate_all("all => all.map((c) => getComputedStyle(c).transform)")
    assert len(shown) == 8 and len(set(shown)) == 1 and shown[0].startswith("matrix(2, 0, 0, 2")
    viewer.get_by_role("button", name="Whole image").click()
    assert viewer.locator("canvas").first.evaluate("c => getComputedStyle(c).transform") == "matrix(1, 0, 0, 1, 0, 0)"


def test_figures_and_selections_download(address: str, board: boards.Board, page: Page, tmp_path: Path) -> None:
    page.goto(f"{address}/case?at=4")
    viewer = opened(page)
    with page.expect_download() as download:
        viewer.get_by_role("button", name="Download this figure as SVG").click()
    assert download.value.suggested_filename.endswith("-n04.svg")
    root = ET.fromstring(Path(download.value.path()).read_text())
    assert len(root.findall(".//{*}image")) == 8 and "n = 4" in "".join(root.itertext())
    with page.expect_download() as download:
        viewer.get_by_role("button", name="Download this figure as PNG").click()
    image = Image.open(io.BytesIO(Path(download.value.path()).read_bytes()))
    assert image.width > 1500 and len(image.convert("RGB").resize((64, 64)).getcolors(4096) or []) > 100

    page.goto(f"{address}/cases?explainer=lime&min_share=0.08&view=table")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    expected = matching.everything(board.query, Selection("lime", min_share=0.08))["case_id"].tolist()
    assert pd.read_csv(download.value.path())["case_id"].tolist() == expected


def test_a_chart_is_taken_for_a_paper(address: str, page: Page) -> None:
    page.goto(address)
    page.get_by_role("button", name="Take this figure").first.click()
    expect(page.get_by_text("Mean ranks with 95 % intervals over photos").first).to_be_visible()
    for form, head in (("SVG", b"<?xml"), ("PDF", b"%PDF"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            page.get_by_role("button", name=form, exact=True).first.click()
        assert download.value.suggested_filename == f"made-rank_plot-85mm.{form.lower()}"
        assert Path(download.value.path()).read_bytes().startswith(head)
    with page.expect_download() as download:
        page.get_by_role("button", name="All methods as CSV").click()
    assert set(pd.read_csv(download.value.path())["method"]) == {"saliency", "guided_backprop", "lime", "random"}


def test_texts_of_a_store_are_shown_as_they_are(page: Page, tmp_path: Path) -> None:
    evil = (
        "<img src=x onerror=alert(1)>![i](http://evil.example/i.png)[a](javascript:alert(1))`$x$` :smile: :streamlit: "
        ":material/home: :red[r] http://evil.example www.evil.example a@evil.example <b>b</b> &lt; -> "
    )
    store = make_store(tmp_path / "evil", cases=12, size=32, explainers=("lime", "random", evil.strip()))
    photos = pd.read_parquet(store / "photos.parquet")
    rewrite(store, "photos", photos.assign(name=evil + photos["name"], clean_class=evil))
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["classifier"]["name"] = manifest["device"]["name"] = evil
    (store / "manifest.json").write_text(json.dumps(manifest))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    with served(store) as address:
        for path in ("", "explainers", "cases", "case", "attacks", "run"):
            page.goto(f"{address}/{path}")
            expect(page.locator("h1")).to_be_visible()
            page.locator("[data-test-script-state=notRunning]").wait_for()
            assert page.locator("img[src=x], [aria-label='home icon'], img[alt='Streamlit logo'], .katex").count() == 0
            links = page.locator("a").evaluate_all("all => all.map((a) => String(a.href.baseVal ?? a.href))")
            assert links and all(link.startswith(address) for link in links)
        page.goto(f"{address}/case")
        expect(opened(page)).to_contain_text(evil.strip())
    assert asked and all(url.startswith((address, "data:", "blob:")) for url in asked)
