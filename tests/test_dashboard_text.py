"""Text from elsewhere means nothing but itself, on every page and in every figure."""

import html
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from google.protobuf.message import Message  # type: ignore[import-untyped]
from make_store import make_store, rewrite
from streamlit.testing.v1 import AppTest

import dashboard
from dashboard import STORES_VARIABLE, text, urls
from dashboard.data import boards
from dashboard.widgets import wording

APP = Path(dashboard.__file__).with_name("app.py")
NOT_READ = {
    *("Selectbox.options", "Selectbox.raw_value", "PageLink.query_string", "Image.alt", "Code.code_text"),
    *("legendgroup", "label"),
}
"""Fields whose texts are shown as they are, or not at all; so are keys of figures and of the columns of tables."""
JSON = {"PlotlyChart.spec", "Dataframe.columns"}
EVIL = (
    "<img src=x onerror=alert(1)> ![i](http://evil.example/i.png) `$x$` :smile: :material/home: :red[evil.example] "
    "www.evil.example a@evil.example <a href='http://evil.example'>evil</a> %{x} &lt; -> \u202egpj\x1b[31m\n# evil"
)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores with the hostile text wherever a store holds text."""
    root = tmp_path_factory.mktemp("stores")
    for name in ("one", "two"):
        store = make_store(root / f"{name} {EVIL[:28]}", cases=30, size=32, explainers=("lime", "random", EVIL))
        for table, columns in {
            "photos": ("name", "clean_class", "target_class", "licence", "source"),
            "attempts": ("final_class",),
            "failures": ("stage", "photo", "case_id", "explainer", "reason"),
        }.items():
            rewrite(store, table, pd.read_parquet(store / f"{table}.parquet").assign(**dict.fromkeys(columns, EVIL)))
        manifest = json.loads((store / "manifest.json").read_text())
        manifest |= {"created": EVIL, "config_hash": EVIL, "environment": {EVIL: EVIL}}
        manifest["config"] |= {"patience": EVIL, "iterations": EVIL, "seed": EVIL, EVIL: EVIL}
        for section in ("classifier", "target", "device"):
            manifest[section] |= {"name": EVIL, EVIL: EVIL}
        manifest["seconds"][EVIL] = 1.0
        (store / "manifest.json").write_text(json.dumps(manifest))
    return root


def visit(stores: Path, page: str, monkeypatch: pytest.MonkeyPatch, **params: str) -> AppTest:
    monkeypatch.setenv(STORES_VARIABLE, str(stores))
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.switch_page(f"views/{page}.py")
    for name, value in params.items():
        app.query_params[name] = value
    return app.run()


def messages(block: Any) -> Iterator[Message]:
    """The protocol's messages of everything on a page."""
    if isinstance(proto := getattr(block, "proto", None), Message):
        yield proto
    for child in getattr(block, "children", {}).values():
        yield from messages(child)


def strings(message: Message, path: str) -> Iterator[tuple[str, str]]:
    """(path of fields, text) of all texts within a message."""
    for field, value in message.ListFields():
        several = [value] if isinstance(value, str | bytes | Message) else value if hasattr(value, "__iter__") else []
        for item in several:
            if isinstance(item, Message):
                yield from strings(item, f"{path}.{field.name}")
            elif isinstance(item, str):
                yield f"{path}.{field.name}", item


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """(key, text) of all texts within parsed JSON."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else ((name, item) for item in value):
            yield from leaves(item, key)


VISITS = [
    *((page, {}) for page in urls.PAGES if page != "plate"),  # whose texts are all in its figure: test_plate.py
    ("cases", {"order": "gap"}),
    ("cases", {"view": "scatter", "minus": EVIL, "explainer": "lime"}),
    ("cases", {"view": "table", "clean": EVIL, "winner": "lime", "loser": EVIL, "explainer": EVIL}),
    ("cases", {"photo": "made-00001", "clean": EVIL, "low": "0.999"}),
    ("case", {"clean": EVIL, "winner": EVIL, "loser": "random", "low": "0"}),
    ("explainers", {"by": "clean"}),
]


@pytest.mark.parametrize(("page", "params"), VISITS)
def test_no_page_reads_text_as_anything_else(
    stores: Path, page: str, params: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = boards.find(stores)
    app = visit(stores, page, monkeypatch, store=one, compare=two, **params)
    assert not app.exception and not any("could not be drawn" in str(e.value) for e in app.error)
    found = [(path, t) for m in messages(app._tree) for path, t in strings(m, m.DESCRIPTOR.name) if "evil" in t]
    assert found
    for path, said in found:
        if path in NOT_READ:
            continue
        for key, part in leaves(json.loads(said)) if path in JSON else [("", said)]:
            if key not in NOT_READ and not part.startswith("explainer="):  # where a mark leads
                rest = part.replace("<br>", " ").replace(text.plotly(EVIL), "") if path in JSON else part
                assert "evil" not in rest.replace(text.markdown(EVIL), "").replace(text.html(EVIL), ""), (path, key)


ODD = [
    "",
    "plain",
    "two words",
    "'",
    "$(id) `id` !x ~ *",
    "-x",
    "\\",
    "a\nb",
    "\x1b[201~;id\n",
    "\u202ea",
    "é ü",
    "\udcff",
    "\x7f\\'",
]


@pytest.mark.parametrize("word", ODD)
def test_a_command_hands_on_exactly_the_word(word: str) -> None:
    command = text.shell(word)
    assert command.isprintable()
    told = subprocess.run(["bash", "-c", f"printf %s {command}"], capture_output=True, check=True).stdout
    assert told == os.fsencode(word)


def test_the_command_of_a_run_quotes_names_and_values() -> None:
    manifest = {"config": {"x; rm -r ~": "$(id)", "lime_samples": 5}, "given": {"photos": ["a b"], "weights": "w'"}}
    lines = wording.command(manifest).split(" \\\n  ")
    assert lines == [
        "wolfspider sweep", "--photos 'a b'", """--weights 'w'"'"''""", "'--x; rm -r ~' '$(id)'", "--lime-samples 5",
        "--out NEW_FOLDER",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [EVIL, *ODD])
def test_what_is_visible_can_be_printed_on_one_line(given: str) -> None:
    shown = text.visible(given)
    assert shown.isprintable() and text.visible(shown) == shown


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("Guided backprop", "rüsseltier 2.jpg", "क्‍ष", "a&b", "C:/x"):
        assert text.visible(name) == name and html.unescape(text.plotly(name)) == name
        assert text.markdown(name).replace("\\", "").replace("\u2060", "") == name
    assert text.plotly('a "quoted" name') == 'a "quoted" name'


@pytest.mark.parametrize("given", ["`", "a`b``c", "x\n```"])
def test_a_code_span_ends_where_the_text_ends(given: str) -> None:
    span = text.code(given)
    assert span.count("`") == 2 and span[0] == span[-1] == "`" and "\n" not in span
