"""The pages Cases and Case under Streamlit's own test runner."""

from pathlib import Path

import pytest
from make_store import make_store
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import STORES_VARIABLE
from dashboard.data import boards, matching
from dashboard.data.questions import QUESTIONS
from dashboard.data.selection import Selection

APP = Path(dashboard.__file__).with_name("app.py")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> boards.Board:
    path = make_store(tmp_path_factory.mktemp("stores") / "made", cases=60, size=32)
    return boards.open_board("made", path)


@pytest.fixture(autouse=True)
def _stores(board: boards.Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORES_VARIABLE, str(board.store.path))


def visit(page: str, /, **params: str) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.switch_page(f"views/{page}.py")
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def _said(app: AppTest) -> str:
    return " ".join(str(e.value) for e in [*app.title, *app.markdown, *app.caption, *app.info, *app.warning])


def _param(app: AppTest, name: str) -> str:
    """A query parameter; the runner holds a list where the page left the link's value alone."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def _count(app: AppTest) -> str:
    return next(m.value for m in app.markdown if m.value.endswith(("cases", "case")))


def test_cases_counts_what_matches(board: boards.Board) -> None:
    for selection in (
        Selection("lime"),
        Selection("saliency", "hamming", "7", min_share=0.08),
        Selection("lime", low=0.3),
    ):
        total = matching.count(board.query, selection)
        assert _count(visit("cases", **selection.to_params())) == f"#### {total:,} cases"


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_open(board: boards.Board, question: str) -> None:
    assert QUESTIONS[question].words.split("{")[0] in _said(visit("cases", question=question))


def test_moving_a_widget_writes_the_url(board: boards.Board) -> None:
    app = visit("cases", explainer="lime")
    app.selectbox(key="selection_measure").set_value("hamming").run()
    app.selectbox(key="selection_n").set_value("7").run()
    app.slider(key="selection_score").set_value((0.2, 0.8)).run()
    found = {name: _param(app, name) for name in app.query_params}
    assert found == {"explainer": "lime", "store": "made", "measure": "hamming", "n": "7", "low": "0.2", "high": "0.8"}
    total = matching.count(board.query, Selection("lime", "hamming", "7", low=0.2, high=0.8))
    assert f"{total:,}" in _count(app)
    app.button(key="lift_low").click().run()
    assert "low" not in app.query_params and not app.exception


def test_no_match_offers_the_nearest_filter(board: boards.Board) -> None:
    app = visit("cases", explainer="lime", low="0.999")
    assert "No case matches" in _said(app)
    app.button(key="nearest_low").click().run()
    assert not app.exception and "0 cases" not in _count(app)


def test_table(board: boards.Board) -> None:
    app = visit("cases", view="table", explainer="saliency", order="small")
    shown = app.dataframe[0].value["case_id"].tolist()
    assert shown == matching.everything(board.query, Selection("saliency", order="small"))["case_id"].tolist()


@pytest.mark.parametrize(
    "hostile", ["../../etc/passwd", "'; drop table cases; --", "<script>alert(1)</script>", "x" * 5000]
)
def test_hostile_links_are_answered_in_words(board: boards.Board, hostile: str) -> None:
    assert "No such case" in _said(visit("case", case=hostile))
    app = visit(
        "cases", photo=hostile, clean=hostile, explainer=hostile, n=hostile, low=hostile, page=hostile, view=hostile
    )
    assert "ignored" in _said(app)


def test_case_stands_in_its_selection_and_steps_on(board: boards.Board) -> None:
    selection = Selection("lime", order="small", min_share=0.05)
    ids = matching.everything(board.query, selection)["case_id"].tolist()
    app = visit("case", case=ids[0], **selection.to_params())
    assert f"**1** of **{len(ids)}** cases" in _said(app)
    assert app.button(key="Previous").disabled
    app.button(key="Next").click().run()
    assert _param(app, "case") == ids[1] and "**2** of" in _said(app)


def test_case_outside_its_selection_is_still_shown(board: boards.Board) -> None:
    ids = matching.everything(board.query, Selection("lime", order="small"))["case_id"].tolist()
    assert "Outside this selection" in _said(visit("case", case=ids[0], min_share="0.1"))


def test_case_without_an_id_is_the_first(board: boards.Board) -> None:
    assert "**1** of" in _said(visit("case"))
    assert "No case to show" in _said(visit("case", low="0.9999"))


def test_a_store_of_one_explainer_without_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path / "one", cases=8, size=32, explainers=("saliency",))
    monkeypatch.setenv(STORES_VARIABLE, str(store))
    assert "Everyone misses" in visit("cases", question="everyone-misses").pills[0].options
    assert "0 cases" in _count(visit("cases", question="closest"))
    assert "Outside this selection" not in _said(visit("case"))


def test_the_store_in_the_link_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cases in (("first", 8), ("second", 20)):
        make_store(tmp_path / name, cases=cases, size=32, seed=cases)
    monkeypatch.setenv(STORES_VARIABLE, str(tmp_path))
    totals = {}
    for name in ("first", "second"):
        app = visit("cases", store=name)
        app.selectbox(key="selection_measure").set_value("hamming").run()
        assert _param(app, "store") == name
        totals[name] = _count(app)
    assert totals["first"] != totals["second"]
