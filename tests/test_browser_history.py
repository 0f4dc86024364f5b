"""Back, Forward, links, the menu, the plate and the lasso in a real browser; skipped where there is none."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from make_store import make_store
from playwright.sync_api import BrowserContext, Locator, Page, expect
from served import needs_chromium, served, settled

from dashboard.data import boards, matching
from dashboard.data.selection import Selection

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    return boards.open_board("made", make_store(tmp_path_factory.mktemp("stores") / "made", cases=60, size=48))


@pytest.fixture(scope="module")
def address(board: boards.Board) -> Iterator[str]:
    with served(Path(str(board.store.path))) as address:
        yield address


def entries(page: Page) -> int:
    return int(page.evaluate("history.length"))


def scrolled(page: Page) -> int:
    return int(page.evaluate("document.querySelector('[data-testid=stMain]').scrollTop"))


LONELIEST = """() => {
  const plot = document.querySelector(".js-plotly-plot"), dots = [...plot.querySelectorAll(".points path")];
  const boxes = dots.map(dot => dot.getBoundingClientRect());
  const places = boxes.map(box => [box.x + box.width / 2, box.y + box.height / 2]);
  const ids = plot._fullData[0].customdata.map(data => data[0]);
  const apart = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);
  const room = place => Math.min(...places.filter(one => one !== place).map(one => apart(one, place)));
  const best = ids.map((_, i) => i).sort((a, b) => room(places[b]) - room(places[a]))[0];
  return [...places[best], ids[best]];
}"""
"""The middle of the dot of the first trace that is farthest from all others, and its case."""


def phone(context: BrowserContext) -> Page:
    """A tab of a phone's size, which is touched."""
    assert context.browser is not None
    page = context.browser.new_context(
        viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True
    ).new_page()
    page.set_default_timeout(20000)
    return page


def swiped(page: Page, start: Locator, up: int) -> int:
    """By how much the page scrolls as a finger moves up from the middle of something."""
    start.evaluate("e => e.scrollIntoView({ block: 'center' })")
    page.wait_for_timeout(300)
    before, box, finger = scrolled(page), start.bounding_box(), page.context.new_cdp_session(page)
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, moved in (
        ("touchStart", 0),
        *(("touchMove", up * step // 10) for step in range(1, 11)),
        ("touchEnd", None),
    ):
        points = [] if moved is None else [{"x": x, "y": y - moved}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    page.wait_for_timeout(500)
    return scrolled(page) - before


def drawn(page: Page, n: int) -> None:
    expect(page.locator(f".viewer[data-drawn='{n}']")).to_be_visible()


def test_back_and_forward(address: str, board: boards.Board, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime")
    page.get_by_text("Largest disagreement").click()
    page.wait_for_url(re.compile("question=disagreement"))
    settled(page)
    card = page.locator("[class*=st-key-card_] a").nth(12)
    card.scroll_into_view_if_needed()
    there = scrolled(page)
    assert there > 100
    card.click()
    page.locator(".viewer[data-drawn]").wait_for()
    settled(page)
    before = entries(page)
    start = int(page.locator(".viewer").get_attribute("data-drawn") or 0)
    step = 1 if start < 20 else -1
    page.locator("body").press("ArrowRight" if step > 0 else "ArrowLeft")
    page.wait_for_url(re.compile(f"[?&]at={start + step}"))
    assert entries(page) == before  # n is no entry of its own
    case = page.url
    page.locator("body").press("j")
    page.wait_for_function("address => location.href !== address", arg=case)
    settled(page)
    assert entries(page) == before + 1
    page.go_back()
    drawn(page, start + step)
    assert page.url == case
    page.locator("body").press("b")  # the best n, which the address leaves out
    page.wait_for_function("() => !location.search.includes('at=')")
    page.go_back()
    page.wait_for_url(re.compile("/cases.*question=disagreement"))
    page.wait_for_function(f"Math.abs(document.querySelector('[data-testid=stMain]').scrollTop - {there}) < 2")
    page.go_forward()
    page.locator(".viewer[data-drawn]").wait_for()
    expect(page).to_have_title(re.compile(r"^Case · made · wolfspider"))


def test_the_menu_keeps_filters_and_the_last_case(address: str, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime&min_share=0.05&view=table")
    settled(page)
    menu = {name: page.get_by_role("link", name=name, exact=True) for name in ("Overview", "Cases", "Case")}
    menu["Overview"].click()
    expect(page).to_have_title(re.compile("^Overview · made"))
    settled(page)
    before = entries(page)
    menu["Cases"].click()
    page.wait_for_url(re.compile("/cases.*min_share=0.05"))
    settled(page)
    assert "view=table" in page.url and entries(page) == before + 1
    menu["Case"].click()
    page.wait_for_url(re.compile("/case.*min_share=0.05"))


def test_keys_reach_a_case_wherever_the_last_click_was(address: str, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime")
    settled(page)
    page.get_by_role("link", name="Case", exact=True).click()  # the focus stays on the menu
    viewer = page.locator(".viewer[data-drawn]")
    viewer.wait_for()
    settled(page)
    page.keyboard.press("s")
    page.wait_for_url(re.compile("panels=restored"))
    page.locator("[data-testid=stMain]").click(position={"x": 5, "y": 300})  # beside the viewer
    page.keyboard.press("s")
    page.wait_for_function("() => !location.search.includes('panels')")
    before = int(viewer.get_attribute("data-drawn") or 0)
    step = 1 if before < 20 else -1
    page.keyboard.press("ArrowRight" if step > 0 else "ArrowLeft")
    drawn(page, before + step)


def test_pages_of_the_gallery_start_at_the_top(address: str, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime")
    below = page.locator(".st-key-paging_below")
    below.wait_for()
    settled(page)
    below.get_by_role("button", name="Next page", exact=True).click()
    page.wait_for_url(re.compile("[?&]page=2"))
    settled(page)
    assert scrolled(page) == 0
    page.locator(".st-key-paging_above input").fill("1")
    page.locator(".st-key-paging_above input").press("Enter")
    page.wait_for_url(re.compile("[?&]page=1"))


def test_a_plate_is_pinned_linked_and_exported(address: str, page: Page, context: BrowserContext) -> None:
    page.goto(f"{address}/case?explainer=lime")
    for _ in range(3):
        page.locator(".viewer[data-drawn]").wait_for()
        settled(page)
        page.locator("body").press("p")
        page.get_by_role("button", name="Unpin").wait_for()
        page.locator("body").press("j")
        page.get_by_role("button", name="Pin", exact=False).first.wait_for()
        settled(page)
    page.get_by_role("link", name="Plate: 3 pinned").click()
    page.wait_for_url(re.compile("/plate.*pins="))
    other = context.new_page()  # a visit of its own
    other.goto(page.url)
    expect(other.get_by_text("3 of at most 12 cases")).to_be_visible()
    with other.expect_download() as download:
        other.get_by_role("button", name="Take this plate").click()
        other.get_by_role("button", name="SVG").last.click()
    assert download.value.suggested_filename == "made-plate-175mm.svg"
    root = ET.fromstring(Path(download.value.path()).read_text())
    assert len(root.findall(".//{*}image")) == 3 * 6
    other.close()


def test_a_lasso_opens_exactly_its_cases(address: str, board: boards.Board, page: Page) -> None:
    page.goto(f"{address}/cases?explainer=lime&view=scatter&minus=random")
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    settled(page)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    corners = [(0.3, 0.05), (0.95, 0.05), (0.95, 0.95), (0.3, 0.95), (0.3, 0.06)]
    page.locator(".js-plotly-plot").first.evaluate(
        """(plot) => plot.on("plotly_selected", ({ points }) => {
          window.inside = points.filter((point) => point.curveNumber === 0).map((point) => point.customdata[0]);
        })"""
    )
    places = [(box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.wait_for_url(re.compile("outline="))
    settled(page)
    outline = page.evaluate("new URLSearchParams(location.search).get('outline')")
    selection = Selection("lime", minus="random", x="region_share", outline=outline)
    opened = matching.case_ids(board.query, selection).tolist()
    assert sorted(opened) == sorted(page.evaluate("window.inside"))
    assert 0 < len(opened) < matching.count(board.query, Selection("lime"))
    expect(page.get_by_text(f"{len(opened)} cases", exact=True)).to_be_visible()


@pytest.mark.parametrize("touched", [False, True])
def test_a_click_or_a_tap_on_a_dot_opens_its_case(address: str, context: BrowserContext, touched: bool) -> None:
    page = phone(context) if touched else context.new_page()
    page.goto(f"{address}/cases?explainer=lime&view=scatter")
    page.locator(".js-plotly-plot .nsewdrag").wait_for()
    settled(page)
    page.locator(".js-plotly-plot").evaluate("plot => plot.scrollIntoView({ block: 'center' })")
    x, y, case_id = page.evaluate(LONELIEST)
    (page.touchscreen.tap if touched else page.mouse.click)(x, y)
    page.wait_for_url(re.compile("/case[?]"))
    assert f"case={case_id}&" in f"{page.url}&"
    page.close()


def test_charts_stay_where_they_are(address: str, page: Page) -> None:
    page.goto(f"{address}/explainers")
    plot = page.locator(".js-plotly-plot .nsewdrag").first
    plot.wait_for()
    settled(page)
    ranges = "document.querySelector('.js-plotly-plot')._fullLayout.xaxis.range.join()"
    before = page.evaluate(ranges)
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 45, steps=6)
    page.mouse.up()
    assert page.evaluate(ranges) == before


def test_a_phone_shows_pairs_side_by_side_and_scrolls_by_swipes(address: str, context: BrowserContext) -> None:
    page = phone(context)
    page.goto(f"{address}/cases?question=disagreement")
    card = page.locator(".st-key-card_pair_1")
    card.locator("img").nth(1).wait_for()
    tops = {image.bounding_box()["y"] for image in card.locator("img").all()}  # type: ignore[index]
    assert len(tops) == 1
    page.goto(f"{address}/cases?view=scatter")
    page.locator(".js-plotly-plot").first.wait_for()
    settled(page)
    assert page.locator("[data-testid=stMain]").evaluate("e => e.scrollWidth <= e.clientWidth")
    plot = ".js-plotly-plot .nsewdrag"
    assert swiped(page, page.locator(plot).first, -150) < -50 and "outline" not in page.url
    for path in ("", "explainers", "attacks"):
        page.goto(f"{address}/{path}")
        page.locator(plot).first.wait_for()
        settled(page)
        assert swiped(page, page.locator(plot).first, 150) > 50
    page.goto(f"{address}/case")
    frame = page.locator(".viewer[data-drawn] .frame").first
    frame.wait_for()
    settled(page)
    assert swiped(page, frame, 150) > 50
    touch = "e => getComputedStyle(e).touchAction"
    assert frame.evaluate(touch) == "pan-y"
    frame.dblclick()
    assert frame.evaluate(touch) == "none"  # a part of an image is moved instead
    assert swiped(page, frame, 150) == 0
    page.close()
