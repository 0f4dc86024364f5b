"""The published stores are whole, without pictures, and say what the README and their page say."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import rankdata
from streamlit.testing.v1 import AppTest

import dashboard
from compute.reporting.report import PAPER, report
from compute.reporting.results import results
from compute.store.opening import Store, open_store
from dashboard import STORES_VARIABLE

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "data" / "published"
NAMES = sorted(folder.name for folder in PUBLISHED.iterdir() if folder.is_dir())
FIGURE = re.compile(r"[+-]?\d\.\d+ \[[+-]?\d\.\d+, [+-]?\d\.\d+\]")
"""A mean with its interval."""


@pytest.fixture(scope="module", params=NAMES)
def store(request: pytest.FixtureRequest) -> Store:
    return open_store(PUBLISHED / request.param)


def test_a_store_is_whole_small_and_without_pictures(store: Store) -> None:
    assert store.damaged() == [] and len(store.tables["photos"]) >= 8
    assert store.manifest["tables"]["images"]["rows"] == 0
    assert sum(path.stat().st_size for path in Path(str(store.path)).iterdir()) < 2**22
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in store.tables["photos"]["sha256"].to_pylist())
    assert set(store.manifest["given"]["photos"]) == {"photos"}  # no path of the machine that made it


def test_their_page_is_what_they_say() -> None:
    assert (PUBLISHED / "README.md").read_text(encoding="utf-8") == results(PUBLISHED)


def test_the_readme_s_figures_are_theirs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme[readme.index("## Results") : readme.index("## What was decided")]
    page = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    found = FIGURE.findall(section)
    assert len(found) > 20 and [figure for figure in found if figure not in page] == []


def test_table_1_follows_from_the_counts_of_every_case(store: Store) -> None:
    with store.connect() as connection:
        rows = connection.execute(
            "select case_id, explainer, pixels, hits, region_pixels from explanations join attempts using (case_id)"
            " where explainer in (select unnest($names)) order by case_id",
            {"names": list(PAPER)},
        ).fetchall()
    cases: dict[str, dict[str, list[float]]] = {}
    for case_id, name, pixels, hits, region in rows:
        cases.setdefault(case_id, {})[name] = [h / (p + region - h) for p, h in zip(pixels, hits, strict=True)]
    scores = np.array([[own[name] for name in PAPER] for own in cases.values() if len(own) == len(PAPER)])
    ranks = rankdata(-scores, axis=1).mean(axis=(0, 2))
    table = report(store).summary.paper
    assert [table[name]["mean_rank_jaccard"].mean for name in PAPER] == pytest.approx(ranks.tolist())


_ATTACKED = (
    *("classifier", "scale", "sigma", "min_size", "target", "algorithm", "step", "iterations"),
    *("patience", "progress", "budget", "confidence", "seed"),
)
_SAME = """select case_id, a.* exclude (case_id, visibility, sufficiency_mean, sufficiency_blur) from attempts a
union all by name select case_id || explainer as case_id, jaccard_at_region, auroc, average_precision
from explanations where explainer in ('saliency', 'guided_backprop', 'guided_backprop@smooth', 'texture')"""


def test_separate_runs_gave_the_same_bits() -> None:
    """Stores that were made by separate runs share attempts and explanations that draw nothing."""
    stores = [open_store(PUBLISHED / name) for name in NAMES]
    shared = 0
    for store, other in combinations(stores, 2):
        one, two = ({k: s.manifest["config"][k] for k in _ATTACKED} for s in (store, other))
        if one == two and store.manifest["classifier"] == other.manifest["classifier"]:
            with store.connect() as first, other.connect() as second:
                found, again = ({r[0]: r for r in c.execute(_SAME).fetchall()} for c in (first, second))
            both = found.keys() & again.keys()
            assert all(found[key] == again[key] for key in both)
            shared += len(both)
    assert shared > 400


@pytest.mark.parametrize("page", ["overview", "explainers", "cases", "attacks", "blame", "run"])
def test_the_dashboard_opens_them(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORES_VARIABLE, str(PUBLISHED))
    app = AppTest.from_file(str(Path(dashboard.__file__).with_name("app.py")), default_timeout=120)
    app.switch_page(f"views/{page}.py")
    app.query_params["store"] = NAMES[0]
    app.run()
    assert not app.exception and not app.error
