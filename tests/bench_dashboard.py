"""How fast the dashboard is: `python tests/bench_dashboard.py [STORE ...]`.

Without stores, two are made: 600 cases x 40 methods, and 60,000 x 4. Script time is that of a whole rerun under
Streamlit's own test runner, its overhead included; first pages are timed in headless Chromium, each by a new server.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from make_store import SKILL, make_store
from playwright.sync_api import Browser, sync_playwright
from served import CHROMIUM, FLAGS, server
from streamlit.testing.v1 import AppTest

import dashboard
from compute.scoring.presentations import everything
from dashboard import STORES_VARIABLE, urls
from dashboard.data import boards
from dashboard.data.questions import questions

APP = Path(dashboard.__file__).with_name("app.py")
RERUNS = 9
WHOLE = """() => {
  const charts = [...document.querySelectorAll("[data-testid=stPlotlyChart]")];
  const drawn = chart => chart.querySelector(".js-plotly-plot")?._fullLayout?.width;
  return document.querySelector("[data-test-script-state=notRunning]") && charts.length
    && charts.every(chart => Math.abs(drawn(chart) - chart.clientWidth) < 2);
}"""
"""Whether a page's script has run, and every chart is drawn at its last width."""
FILTERS = ("min_share=0.05", "explainer=lime&low=0.2&n=5", "min_conf=0.95&max_linf=60", "order=small")


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def page(name: str) -> tuple[float, list[float]]:
    """Milliseconds of the first visit and of warm reruns."""
    app = AppTest.from_file(str(APP), default_timeout=300)
    app.switch_page(f"views/{name}.py")
    first = timed(app.run)
    return first, [timed(app.run) for _ in range(RERUNS)]


def visits(path: str, queries: Iterable[str]) -> Iterator[float]:
    """Milliseconds of one query of a page after another, in one session."""
    app = AppTest.from_file(str(APP), default_timeout=300)
    app.switch_page(f"views/{path}.py")
    app.run()
    for query in queries:
        app.query_params.clear()
        for name, value in (pair.split("=") for pair in query.split("&")):
            app.query_params[name] = value
        yield timed(app.run)


def line(name: str, times: Sequence[float], first: str = "") -> None:
    """Print the median and the worst of some times."""
    print(f"{name:<12}{first:>14}{statistics.median(times):>14,.0f}{max(times):>14,.0f}")


def report(store: Path) -> None:
    """Print the times over one store."""
    os.environ[STORES_VARIABLE] = str(store)
    opened = timed(lambda: boards.open_board(store.name, store))
    board = boards.open_board(store.name, store)
    cases = board.query("select count(*) as cases from cases")["cases"].iloc[0]
    print(f"\n{store}: {cases:,} cases; opening it took {opened:,.0f} ms")
    print(f"{'page':<12}{'first visit':>14}{'warm, median':>14}{'warm, worst':>14}   ms")
    for name in urls.PAGES:
        first, warm = page(name)
        line(name, warm, f"{first:,.0f}")
    ids = board.query("select case_id from cases order by hash(case_id) limit 12")["case_id"].tolist()
    line("next case", list(visits("case", [f"case={case_id}" for case_id in ids]))[1:])
    line("question", list(visits("cases", [f"question={name}" for name in questions(board.explainers)])))
    line("filter", list(visits("cases", FILTERS)))


def arrival(browser: Browser, address: str, store: str) -> float:
    """Milliseconds until the first page of a store is whole."""
    tab = browser.new_page()
    start = time.perf_counter()
    tab.goto(f"{address}/?store={quote(store)}")
    tab.wait_for_function(WHOLE, timeout=120_000)  # asks at every frame; a locator, at last twice a second
    taken = (time.perf_counter() - start) * 1000
    tab.close()  # or it would go on asking for a server that is gone
    return taken


def arrivals(stores: Sequence[Path]) -> None:
    """Print the times of first pages, and the memory of a server that has shown them all."""
    print()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for store in stores:
            with server(store) as (address, _):
                print(
                    f"{store.name}: first page {arrival(browser, address, store.name):,.0f} ms after the server answers"
                )
        with tempfile.TemporaryDirectory() as folder:
            for store in stores:
                (Path(folder) / store.name).symlink_to(store.resolve())
            with server(Path(folder)) as (address, process):
                for store in stores:
                    arrival(browser, address, store.name)
                child = Path(f"/proc/{process}/task/{process}/children").read_text().split()[0]
                status = Path(f"/proc/{child}/status").read_text()
        now, most = (int(status.split(field)[1].split()[0]) / 1024 for field in ("VmRSS:", "VmHWM:"))
        print(f"server: {now:,.0f} MB with all open, {most:,.0f} MB at most")
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", type=Path)
    stores = parser.parse_args().stores
    with tempfile.TemporaryDirectory() as folder:
        if not stores:
            forty = ("lime", "random", *[name for name in everything() if name not in ("lime", "random")][:38])
            stores = [
                make_store(Path(folder) / "600x40", cases=600, explainers=forty),
                make_store(Path(folder) / "60000x4", cases=60_000, explainers=tuple(SKILL)),
            ]
        arrivals(stores)
        for path in stores:
            report(path)
