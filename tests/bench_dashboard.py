"""How fast the dashboard is: `python tests/bench_dashboard.py [STORE ...]`; without, made stores of 600 and 60,000.

Script time is that of a whole rerun under Streamlit's own test runner, its overhead included.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from make_store import make_store
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import STORES_VARIABLE, urls
from dashboard.data import boards

APP = Path(dashboard.__file__).with_name("app.py")
RERUNS = 9


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


def other_cases(ids: list[str]) -> Iterator[float]:
    """Milliseconds of opening one case after another in one session."""
    app = AppTest.from_file(str(APP), default_timeout=300)
    app.switch_page("views/case.py")
    for case_id in ids:
        app.query_params["case"] = case_id
        yield timed(app.run)


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
        print(f"{name:<12}{first:>14,.0f}{statistics.median(warm):>14,.0f}{max(warm):>14,.0f}")
    ids = board.query("select case_id from cases order by hash(case_id) limit 12")["case_id"].tolist()
    times = list(other_cases(ids))[1:]
    print(f"{'next case':<12}{'':>14}{statistics.median(times):>14,.0f}{max(times):>14,.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", nargs="*", type=Path)
    stores = parser.parse_args().stores
    with tempfile.TemporaryDirectory() as folder:
        if not stores:
            sizes = ((600, 224), (60_000, 64))
            stores = [make_store(Path(folder) / f"made-{n}", cases=n, size=size) for n, size in sizes]
        for path in stores:
            report(path)
