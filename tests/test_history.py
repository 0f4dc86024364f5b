"""What the menu keeps of a page, under Streamlit's own test runner."""

from pathlib import Path

import pytest
from make_store import make_store
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import STORES_VARIABLE

APP = Path(dashboard.__file__).with_name("app.py")


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    for name in ("one", "two"):
        make_store(tmp_path / name, cases=12, size=32)
    monkeypatch.setenv(STORES_VARIABLE, str(tmp_path))
    return AppTest.from_file(str(APP), default_timeout=60)


def asked(app: AppTest, page: str, **params: str) -> dict[str, str]:
    """Open a page by a link with parameters, or from the menu, whose links have none; what its address says then."""
    app.switch_page(f"views/{page}.py")
    app.query_params.clear()
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    found = {name: app.query_params[name] for name in app.query_params}
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


def test_the_menu_keeps_filters_the_last_case_and_the_other_store(app: AppTest) -> None:
    asked(app, "overview", store="two", compare="one", axis="pixels")
    asked(app, "cases", store="two", explainer="lime", min_share="0.02", view="table")
    asked(app, "case", store="two", explainer="lime", min_share="0.02", case="made-00000-r02", at="4")
    assert asked(app, "explainers") == {"store": "two", "compare": "one"}
    assert asked(app, "overview") == {"store": "two", "compare": "one", "axis": "pixels"}
    filters = {"store": "two", "explainer": "lime", "min_share": "0.02"}
    assert asked(app, "cases") == {**filters, "view": "table"}
    assert asked(app, "case") == {**filters, "case": "made-00000-r02", "at": "4"}


def test_a_link_that_asks_something_is_left_alone(app: AppTest) -> None:
    asked(app, "cases", store="two", explainer="lime", min_share="0.02")
    asked(app, "overview", store="two")
    assert asked(app, "cases", store="two", explainer="random") == {"store": "two", "explainer": "random"}
