"""Texts and whiskers of figures can be read in both themes: WCAG 2 asks for 4.5 to 1, and for 3 to 1 of graphics."""

from collections.abc import Iterator
from typing import Literal

import pytest
from make_store import make_store
from playwright.sync_api import BrowserContext
from served import needs_chromium, served, settled

pytestmark = [pytest.mark.browser, needs_chromium]

WORST = """() => {
    const luminance = (rgb) => rgb
        .map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const page = numbers(getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor).slice(0, 3);
    const contrast = (colour, opacity) => {
        const [red, green, blue, alpha = 1] = numbers(colour);
        const seen = [red, green, blue].map((v, i) => v * alpha * opacity + page[i] * (1 - alpha * opacity));
        const [low, high] = [luminance(seen), luminance(page)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const worst = (selector, property) => Math.min(
        ...[...document.querySelectorAll(`.js-plotly-plot ${selector}`)]
            .filter((found) => property === "stroke" || found.textContent.trim())
            .map((found) => getComputedStyle(found))
            .map((style) => contrast(style[property], parseFloat(style.opacity))));
    return [worst("text", "fill"), worst(".barlayer .errorbar path", "stroke")];
}"""
"""The least contrasts of texts, and of whiskers on bars, to the page."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(make_store(tmp_path_factory.mktemp("stores") / "made", cases=24, size=32)) as address:
        yield address


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "explainers", "blame", "attacks", "run", "cases?view=scatter"])
def test_figures_can_be_read(address: str, context: BrowserContext, path: str, theme: Literal["light", "dark"]) -> None:
    page = context.new_page()
    page.emulate_media(color_scheme=theme)
    page.goto(f"{address}/{path}")
    page.locator(".js-plotly-plot text").first.wait_for()
    settled(page)
    texts, whiskers = page.evaluate(WORST)
    page.close()
    assert texts >= 4.5
    assert (whiskers or 21) >= 3  # null where there is none
