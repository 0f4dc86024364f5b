"""Fixtures that tests share."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tiny
from hypothesis import settings
from playwright.sync_api import BrowserContext, Page, sync_playwright
from served import CHROMIUM, FLAGS

from compute import cli
from compute.networks import classifiers
from compute.networks.classifier import Classifier
from compute.store.opening import Store

Command = Callable[..., tuple[int, str, str]]
settings.register_profile("wolfspider", deadline=None)  # timings are no property of the code on a shared machine
settings.load_profile("wolfspider")


pytest_plugins = ["remote_stores"]


@pytest.fixture(autouse=True)
def _no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture(autouse=True)
def _same_main() -> Iterator[None]:
    """Streamlit's AppTest leaves its script behind as `__main__`, which later child processes would run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def classifier() -> Classifier:
    """The tiny classifier."""
    return tiny.classifier()


@pytest.fixture(scope="session")
def lite0() -> Classifier:
    """The real, trained efficientnet_lite0."""
    return classifiers.load("efficientnet_lite0")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A published store of five made photos and the tiny classifier. Not to be changed."""
    return tiny.published(tmp_path_factory.mktemp("session") / "store")


@pytest.fixture
def in_folder(tmp_path: Path) -> Iterator[Path]:
    """An empty current directory."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in this process, with the tiny classifier: (status, standard output, standard error)."""
    monkeypatch.setattr(classifiers, "load", lambda *_, **__: tiny.classifier())
    monkeypatch.setattr(cli.out, "width", 300)
    monkeypatch.setattr(cli.err, "width", 300)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["wolfspider", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        code = ended.value.code
        return (code if isinstance(code, int) else 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def context() -> Iterator[BrowserContext]:
    """A browser of a laptop's size."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_context(viewport={"width": 1280, "height": 900})
        browser.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab; no script in it may fail."""
    page = context.new_page()
    page.set_default_timeout(20000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    page.close()
    assert wrong == []
