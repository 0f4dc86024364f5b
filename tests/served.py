"""A dashboard served for a test, and Debian's Chromium to look at it."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH: the browser tests did not run")


@contextmanager
def served(stores: Path) -> Iterator[str]:
    """The address of a dashboard over the stores, stopped at the end."""
    with server(stores) as (address, _):
        yield address


@contextmanager
def server(stores: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of a dashboard over the stores."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = (
        f"from pathlib import Path; from dashboard.launch import launch; launch(Path({str(stores)!r}), port={port})"
    )
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.DEVNULL) as process:
        try:
            yield ready(f"http://127.0.0.1:{port}"), process.pid
        finally:
            process.terminate()


def ready(address: str) -> str:
    """The address, once a server answers there."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                return address
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} did not answer")


def settled(page: Page) -> None:
    """Wait until the page is what its last action made it."""
    page.wait_for_timeout(300)  # for a run of the script to begin
    page.locator("[data-test-script-state=notRunning]").wait_for()
