"""Eight visitors at once, each with choices of their own: no error, nobody sees another's results.

The suite runs a few seconds of it; `WOLFSPIDER_VISIT_SECONDS=60 pytest tests/test_concurrency.py -s` a minute.
"""

import asyncio
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from make_store import make_store
from playwright.async_api import BrowserContext, Page, async_playwright, expect
from served import CHROMIUM, FLAGS, needs_chromium, served

from dashboard.data import boards, matching
from dashboard.data.questions import QUESTIONS
from dashboard.data.selection import MEASURES, SIZES, Selection
from dashboard.viewer import casefile

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium]
VISITORS = 8
SECONDS = float(os.environ.get("WOLFSPIDER_VISIT_SECONDS", "6"))
PATIENCE = 45_000
"""Milliseconds: eight browsers share the cores with the server."""


def any_selection(rng: random.Random, board: boards.Board) -> Selection:
    """A selection that some other visitor is unlikely to have."""
    return Selection(
        rng.choice(board.explainers),
        rng.choice(MEASURES),
        rng.choice(SIZES),
        rng.choice(["", *QUESTIONS]),
        min_share=rng.choice([None, 0.04, 0.06, 0.08]),
        max_linf=rng.choice([None, 150.0, 100.0]),
    )


async def see_cases(page: Page, address: str, board: boards.Board, selection: Selection) -> None:
    """The page Cases counts and lists what the selection matches."""
    query = "&".join(f"{name}={value}" for name, value in selection.to_params().items())
    await page.goto(f"{address}/cases?{query}")
    total = matching.count(board.query, selection)
    words = f"{total:,} {'case' if total == 1 else 'cases'}"
    await expect(page.get_by_text(words, exact=True)).to_be_visible(timeout=PATIENCE)
    for row in matching.page(board.query, selection, size=3).itertuples():
        link = page.get_by_role("link", name=f"{row.photo_name}, region {row.region_rank}", exact=True).last
        await expect(link).to_be_visible(timeout=PATIENCE)


async def see_case(page: Page, address: str, board: boards.Board, selection: Selection) -> None:
    """The page Case shows the case that was asked for, with its scores, and the next one after it."""
    ids = matching.page(board.query, selection, size=2)["case_id"].tolist()
    if not ids:
        return
    query = "&".join(f"{name}={value}" for name, value in selection.to_params().items())
    await page.goto(f"{address}/case?case={ids[0]}&at=4&{query}")
    await see_scores(page, board, ids[0])
    if len(ids) == 2:
        await page.get_by_role("button", name="Next").click(timeout=PATIENCE)
        await see_scores(page, board, ids[1])


async def see_scores(page: Page, board: boards.Board, case_id: str) -> None:
    """The viewer's captions hold the case's scores at n = 4."""
    viewer = page.locator(f".viewer[data-case='{case_id}']")
    await expect(viewer).to_be_visible(timeout=PATIENCE)
    case = casefile.load(board, case_id)
    assert isinstance(case, casefile.CaseFile)
    for score in case.scores.loc[case.scores["n"] == 4, "jaccard"]:
        await expect(viewer).to_contain_text(f"Jaccard {score:.3f}", timeout=PATIENCE)


async def visit(number: int, context: BrowserContext, address: str, board: boards.Board, until: float) -> Counter[str]:
    """One visitor's clicks until the time is over; what was seen."""
    rng = random.Random(number)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    seen: Counter[str] = Counter()
    while not seen or time.monotonic() < until:
        look = rng.choice([see_cases, see_case])
        await look(page, address, board, any_selection(rng, board))
        assert await page.locator("[data-testid=stException]").count() == 0
        seen[look.__name__] += 1
    assert wrong == []
    await page.close()
    return seen


async def everyone(address: str, board: boards.Board) -> Counter[str]:
    """All visitors at once."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context()  # one cache of scripts; every tab is a session of its own
        until = time.monotonic() + SECONDS
        seen = await asyncio.gather(*(visit(i, context, address, board, until) for i in range(VISITORS)))
        await browser.close()
    return sum(seen, Counter())


def test_eight_visitors_at_once(tmp_path: Path) -> None:
    store = make_store(tmp_path / "made", cases=120, size=48)
    with served(store) as address:
        seen = asyncio.run(everyone(address, boards.open_board("made", store)))
    print(f"{VISITORS} visitors, {SECONDS:g} s: {dict(seen)}")
    assert seen.total() >= VISITORS
