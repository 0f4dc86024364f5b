"""The pages under Streamlit's own test runner; bad stores and hostile links are answered in words."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from make_store import make_store, rewrite, sign
from streamlit.testing.v1 import AppTest

import dashboard
from compute.store.places.place import Place
from compute.store.schema import TABLES
from dashboard import STORES_VARIABLE, urls
from dashboard.data import boards

APP = Path(dashboard.__file__).with_name("app.py")
HOSTILE = ["../../etc/passwd", "'; drop table cases; --", "<script>alert(1)</script>", "\x00", "x" * 5000]
PAGES = ["overview", "explainers", "attacks", "run"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made", cases=60, size=32)


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(made, tmp_path / "root" / "copy"))


def visit(stores: Place, page: str, /, **params: str) -> AppTest:
    os.environ[STORES_VARIABLE] = str(stores)
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page(f"views/{page}.py")
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORES_VARIABLE, "")


def said(app: AppTest) -> str:
    parts = [*app.title, *app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.code, *app.success]
    return " ".join(str(part.value) for part in parts)


def without_rows(store: Path, *tables: str, keep: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Rewrite tables and the manifest so that they fit each other."""
    for table in tables:
        rewrite(store, table, keep(pd.read_parquet(store / f"{table}.parquet")))


@pytest.mark.parametrize("page", PAGES)
def test_pages_open(made: Path, page: str) -> None:
    app = visit(made, page)
    assert not app.error and app.title


def test_pages_of_targets_of_their_own(store: Path) -> None:
    photos = pd.read_parquet(store / "photos.parquet")
    rewrite(store, "photos", photos.assign(target_class="tarantula"))
    manifest = json.loads((store / "manifest.json").read_text())
    manifest["target"] = {"index": None, "name": "random"}
    (store / "manifest.json").write_text(json.dumps(manifest))
    assert "saw a class drawn for that photo" in said(visit(store.parent, "overview"))
    assert "tarantula" in said(visit(store.parent, "attacks"))
    values = [str(v) for frame in visit(store.parent, "run").dataframe for v in frame.value.to_numpy().ravel()]
    assert "random, one for each photo" in values


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_a_store_without_cases(store: Path, page: str) -> None:
    without_rows(store, "repeats", "controls", "explanations", keep=lambda f: f.iloc[:0])
    without_rows(store, "attempts", keep=lambda f: f.assign(success=False, outcome="stalled"))
    app = visit(store, page)
    assert not app.error
    assert page == "run" or "no case" in said(app) or "never fell" in " ".join(m.label for m in app.metric)


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_a_store_without_anything(store: Path, page: str) -> None:
    without_rows(store, *TABLES, keep=lambda f: f.iloc[:0])
    app = visit(store, page)
    assert not app.error and (page == "run" or "No photo was attacked" in said(app))


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_a_single_case(store: Path, page: str) -> None:
    case = "made-00000-r01"
    without_rows(store, "repeats", "controls", "explanations", "attempts", keep=lambda f: f[f["case_id"] == case])
    app = visit(store, page)
    assert not app.error


@pytest.mark.parametrize(("page", "words"), [("case", r"made\-00000\.jpg"), ("cases", "not explained")])
def test_pages_of_a_case_that_an_explainer_failed(store: Path, page: str, words: str) -> None:
    case = "made-00000-r01"
    without_rows(
        store,
        "repeats",
        "controls",
        "explanations",
        keep=lambda f: f[(f["case_id"] != case) | (f["explainer"] != "lime")],
    )
    app = visit(store, page, case=case, explainer="lime", order="photo")
    assert not app.error and words in said(app)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("page", PAGES)
def test_hostile_links(made: Path, page: str, hostile: str) -> None:
    names = ("store", "compare", "measure", "n", "by", "first", "axis", "attempt")
    app = visit(made, page, **dict.fromkeys(names, hostile))
    assert not app.error and "another one" in said(app)


def test_filters_stand_in_the_url(made: Path) -> None:
    app = visit(made, "explainers", measure="hamming", n="7", by="clean")
    assert app.selectbox(key="n").value == "7"
    app.selectbox(key="n").set_value("best").run()
    assert app.query_params["n"] in ("best", ["best"])
    app.selectbox(key="n").set_value("mean").run()
    assert "n" not in app.query_params and not app.error


TABLES_OF = {
    "overview": ["All methods"], "case": ["Scores"], "cases": ["These rows"],
    "run": ["Configuration", "Classifier", "Device", "Versions", "Failures", "Files"],
}  # fmt: skip
"""Of a store in which every photo fell."""


@pytest.mark.parametrize("page", urls.PAGES)
def test_every_table_is_taken_away_as_csv_and_as_latex(made: Path, page: str) -> None:
    app = visit(made, page, **({"view": "table"} if page == "cases" else {}))
    assert len(app.dataframe) == len(TABLES_OF.get(page, [])) - (page == "overview")  # that one is HTML
    labels = {str(getattr(button, "label", "")) for button in app.get("download_button")}
    assert {f"{table} as {form}" for table in TABLES_OF.get(page, []) for form in ("CSV", "LaTeX")} == {
        label for label in labels if " as " in label
    }


def test_stores_of_a_folder_are_chosen_by_the_url(made: Path, store: Path) -> None:
    shutil.copytree(made, store.parent / "another")
    app = visit(store.parent, "overview", store="copy", compare="another")
    assert {"Comparison as CSV", "Comparison as LaTeX"} <= {
        str(getattr(b, "label", "")) for b in app.get("download_button")
    }
    assert app.selectbox(key="store").options == ["another", "copy"] and app.selectbox(key="store").value == "copy"
    assert "cases of the same photo and region rank" in said(app)
    app.selectbox(key="store").set_value("another").run()
    assert app.query_params["store"] in ("another", ["another"]) and not app.error
    assert "Mean difference" in said(visit(store.parent, "explainers", store="copy", compare="another"))


def test_no_store(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        assert "No store here yet" in said(visit(path, "overview"))


def _newer(store: Path) -> str:
    manifest = json.loads((store / "manifest.json").read_text())
    (store / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    return "newer"


def _truncated(store: Path) -> str:
    data = (store / "explanations.parquet").read_bytes()
    (store / "explanations.parquet").write_bytes(data[: len(data) // 2])
    return "damaged"


def _torn(store: Path) -> str:
    """Right head and foot, garbage between."""
    path = store / "explanations.parquet"
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(bytes(data))
    return "damaged"


def _foreign(store: Path) -> str:
    pq.write_table(pa.table({"a": [1]}), store / "photos.parquet")
    sign(store, "photos")
    return "columns differ"


def _unfit(store: Path) -> str:
    table = pq.read_table(store / "attempts.parquet")
    pq.write_table(table.slice(0, 3), store / "attempts.parquet")
    sign(store, "attempts")
    return "do not fit"


def _no_manifest(store: Path) -> str:
    (store / "manifest.json").rename(store / "run.json")
    return "unfinished"


def _garbled(store: Path) -> str:
    (store / "manifest.json").write_text("[1, 2")
    return "manifest"


def _linked(store: Path) -> str:
    outside = store.parent.parent / "outside.parquet"
    (store / "photos.parquet").rename(outside)
    (store / "photos.parquet").symlink_to(outside)
    return "outside the store"


@pytest.mark.parametrize(
    "spoil", [_newer, _truncated, _torn, _foreign, _unfit, _no_manifest, _garbled, _linked], ids=lambda f: f.__name__
)
def test_bad_stores_are_refused_in_words(made: Path, store: Path, spoil: Callable[[Path], str]) -> None:
    words = spoil(store)
    app = visit(store, "overview")
    assert "This store cannot be opened" in said(app) and words in said(app) and not app.metric
    shutil.copytree(made, store.parent / "good")
    app = visit(store.parent, "overview", store="good", compare="copy")
    assert not app.error and "That store cannot be opened" in said(app)


def test_checksums_are_recomputed(store: Path) -> None:
    app = visit(store, "run")
    app.button[0].click().run()
    assert "All checksums match" in said(app)
    data = bytearray((store / "images.parquet").read_bytes())
    data[len(data) // 3] ^= 1
    (store / "images.parquet").write_bytes(data)
    app.button[0].click().run()
    assert "Images" in app.error[0].value


def test_a_discarded_attempt_has_a_link(made: Path) -> None:
    board = boards.open_board("made", made)
    attempt = board.query("select case_id from attempts where not success order by case_id")["case_id"].iloc[-1]
    app = visit(made, "attacks", attempt=attempt)
    assert app.query_params["attempt"] in (attempt, [attempt]) and "Still seen as" in said(app)


@pytest.mark.parametrize(("base", "path"), [("", ""), ("x", "/x"), ("/x/y/", "/x/y")])
def test_links_keep_the_store_and_escape_below_the_base_path(
    monkeypatch: pytest.MonkeyPatch, base: str, path: str
) -> None:
    monkeypatch.setattr("streamlit.get_option", {"server.baseUrlPath": base}.__getitem__)
    assert urls.link("cases", photo="a&b", n=None, low=0.25) == f"{path}/cases?photo=a%26b&low=0.25"
    assert urls.link("overview") == (path or "/")


def test_torch_is_never_imported(made: Path) -> None:
    script = f"""
import os, sys
os.environ[{STORES_VARIABLE!r}] = {str(made)!r}
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(APP)!r}, default_timeout=60).run()
for page in {list(urls.PAGES)}:
    app.switch_page(f"views/{{page}}.py")
    app.run()
    assert not app.exception and not app.error, page
heavy = {{"torch", "torchvision", "timm", "lime", "skimage", "sklearn"}} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, env=environment)


@pytest.mark.parametrize("page", urls.PAGES)
def test_a_store_that_is_deleted_while_it_is_open_leaves_words(store: Path, page: str) -> None:
    app = visit(store, page)
    shutil.rmtree(store)
    app.run()
    assert not app.exception and "No store here yet" in said(app)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("case", "photo, segments, adversarial cannot be read"),
        ("cases", "24 of the pictures on this page cannot be read"),
        ("plate", "6 of the pictures of this plate cannot be read"),
        ("blame", "explanations, which cannot be read"),
        ("attacks", "cannot"),
    ],
)
def test_damaged_images_are_told_in_words(store: Path, page: str, words: str) -> None:
    rewrite(store, "images", pd.read_parquet(store / "images.parquet").assign(png=b"\x89PNG\r\n\x1a\nnothing"))
    app = visit(store, page, **({"pins": "made-00000-r01"} if page == "plate" else {}))
    assert not app.exception and not app.error and words in said(app)
    if page == "case":  # the rest of it is there, and its neighbours
        assert app.dataframe and not app.button(key="Next").disabled


def test_a_store_that_is_deleted_or_replaced_while_open_is_said(made: Path, store: Path) -> None:
    shutil.copytree(made, store.parent / "other")
    app = visit(store.parent, "overview", store="copy")
    shutil.rmtree(store)
    make_store(store, cases=20, size=32, seed=5)
    app.run()
    assert "was replaced" in said(app) and not app.metric
    app.button[0].click().run()
    assert app.metric and not app.exception
    shutil.rmtree(store)
    app.run()
    assert "is gone" in said(app) and not app.metric


@pytest.mark.parametrize(
    ("page", "name", "value"),
    [
        *(("cases", name, value) for name, value in (("low", "-0.5"), ("min_share", "7"), ("max_linf", "1000"))),
        *(("cases", name, value) for name, value in (("page", "999"), ("view", "foo"), ("explainer", "nobody"))),
        *(("case", name, value) for name, value in (("at", "99"), ("panels", "foo"))),
        *(
            ("explainers", name, value)
            for name, value in (("measure", "x"), ("n", "21"), ("minus", "lime"), ("by", "x"))
        ),
        *(("overview", name, value) for name, value in (("axis", "x"), ("compare", "gone"))),
        *(("plate", name, value) for name, value in (("methods", "lime,nobody"), ("size", "0"), ("explainer", "x"))),
        ("attacks", "attempt", "nobody-r01"),
    ],
)
def test_what_a_link_asks_in_vain_is_said(made: Path, page: str, name: str, value: str) -> None:
    query = {name: value} | ({"pins": "made-00000-r01"} if page == "plate" else {})
    assert f"ignored: {name}." in said(visit(made, page, **query))


@pytest.mark.parametrize("page", urls.PAGES)
def test_nothing_is_said_of_a_link_that_makes_sense(made: Path, page: str) -> None:
    query = {"explainer": "lime", "min_share": "0.01", "measure": "hamming", "n": "5"}
    assert "ignored" not in said(visit(made, page, **query))
