"""What size costs: `python tests/bench_scale.py [--cases N ...] [--photos N ...] [--store STORE ...]`.

Publishing of made parts, and the opening and first questions of stores, each in a process of its own, whose peak memory
is printed; then seconds per case of sweep and publishing with a tiny network, which should not depend on their number.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

METHODS = ("saliency", "guided_backprop", "lime", "random")
EXPLAINERS = [{"name": name, "baseline": name == "random"} for name in METHODS]
PHOTOS_A_PART = 50
"""Of made parts; those of a sweep hold one photo to a few."""


def timed(action: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def peak() -> float:
    """Most memory that this process has held, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def publish(root: Path, cases: int) -> dict[str, float]:
    """Publish made parts of so many cases, or a few more."""
    import make_store as making
    import numpy as np

    from compute.store import part
    from compute.store.files import sha256_file
    from compute.store.schema import TABLES
    from compute.store.tables.publishing import publish as join

    folder = root / "parts"
    templates = [making._template(np.random.default_rng([0, i]), 16, METHODS) for i in range(40)]
    photos, names = list(making._photos(templates, cases)), []
    for first in range(0, len(photos), PHOTOS_A_PART):
        names.append(f"{first:09d}")
        made = folder / names[-1]
        made.mkdir(parents=True)
        for table in TABLES.keys() - {"failures"}:
            rows = making._filled(table, templates, photos[first : first + PHOTOS_A_PART], first)
            pq.write_table(rows, made / f"{table}.parquet", **part.layout(table))
        (made / part.SECONDS).write_text("{}")
        (made / part.SUMS).write_text(json.dumps({path.name: sha256_file(path) for path in made.iterdir()}))
    before = peak()
    start = time.perf_counter()
    found = join(folder, root, [[name] for name in names], EXPLAINERS, lambda images: images)
    seconds, made_cases = time.perf_counter() - start, found["tables"]["case_lists"]["rows"]
    return {"cases": made_cases, "seconds": seconds, "ms a case": 1000 * seconds / made_cases, "GB before": before}


def ask(store: Path) -> dict[str, float]:
    """Open a store and ask what the first pages ask; seconds."""
    from compute.store.opening import open_store
    from dashboard.data import boards, matching, queries
    from dashboard.data.selection import Selection

    warnings.simplefilter("ignore")
    found: dict[str, float] = {}

    def step(name: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = action()
        found[name] = time.perf_counter() - start
        return result

    step("opened", lambda: open_store(store))
    board = step("board", lambda: boards.open_board(store.name, store))
    found["memory after it"] = peak()
    limited = Selection("lime", low=0.3, min_share=0.05, max_conf=0.6)
    step("filter", lambda: matching.count(board.query, limited))
    step("gallery", lambda: matching.page(board.query, limited, size=24))
    step("gallery, all", lambda: matching.page(board.query, Selection("lime"), size=24))
    step("gallery, far", lambda: matching.page(board.query, Selection("lime"), size=24, first=100_000))
    step("question", lambda: matching.page(board.query, Selection("lime", question="disagreement"), size=24))
    step("filter at n = 5", lambda: matching.count(board.query, Selection("lime", n="5", low=0.3)))
    ids = step("order of all", lambda: matching.case_ids(board.query, Selection("lime")))
    case = ids.iloc[len(ids) // 2]
    step("a case's scores", lambda: board.query("from measures where case_id = ?", [case]))
    step("a case's pictures", lambda: board.images(case, case.rpartition("-")[0]))
    step("table 1", lambda: queries.summary(board))
    step("measures of all", lambda: queries.measures_of_all(board))
    step("curves", lambda: queries.curves(board, "jaccard"))
    step("distribution", lambda: queries.distribution(board, "jaccard", "best"))
    step("wins", lambda: queries.wins(board, "jaccard", "mean"))
    return found


def sweep(root: Path, photos: int) -> dict[str, float]:
    """A sweep of made photos by a tiny network, and its publishing."""
    import tiny

    from compute.sweep.run import publish as join

    tiny.sweep(root / "warm", 2)
    seconds = timed(lambda: [tiny.sweep(root / "store", photos, shard=(i, 2)) for i in (1, 2)])
    start = time.perf_counter()
    store = join(root / "store")
    joined = time.perf_counter() - start
    cases = store.manifest["tables"]["case_lists"]["rows"]
    return {"cases": cases, "sweep, ms a case": 1000 * seconds / cases, "publish, ms a case": 1000 * joined / cases}


def alone(what: str, *given: object) -> None:
    """Run one of the functions above in a process of its own, and print what it returns and its peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        argument = [folder] if what != "ask" else []
        command = [sys.executable, __file__, "--alone", what, *argument, *map(str, given)]
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
    print(f"{what} {' '.join(map(str, given))}: " + ", ".join(f"{k} {v:,.2f}" for k, v in json.loads(answer).items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        what, *given = sys.argv[2:]
        results = {"publish": publish, "sweep": sweep, "ask": ask}[what](Path(given[0]), *map(int, given[1:]))  # type: ignore[operator]
        print(json.dumps({**results, "peak GB": peak()}))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--photos", type=int, nargs="*", default=[10, 100, 1_000])
    parser.add_argument("--store", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    for cases in options.cases:
        alone("publish", cases)
    for store in options.store:
        alone("ask", store)
    for photos in options.photos:
        alone("sweep", photos)
