"""The server process: where it listens, what it prints, and that it ends with its parent."""

import gzip
import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import Request, urlopen

import pytest
import uvicorn
from make_store import make_store
from served import served

from compute.errors import InputError
from dashboard import STORES_VARIABLE, early
from dashboard.data import boards
from dashboard.launch import address, launch
from dashboard.server import known


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made", cases=6, size=32)


def test_serves_at_the_next_free_port_until_terminated(store: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = f"port={port}, base_path='/x/y/', allowed_hosts=['Other.example']"
        code = f"from pathlib import Path; from dashboard.launch import launch; launch(Path({str(store)!r}), {given})"
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)/x/y(?= )", process.stdout.readline())
            assert found is not None and int(found[1]) > port
            address = found[0]
            try:
                for host, answer in {"127.0.0.1": 200, "other.example:80": 200, "evil.example": 421}.items():
                    assert _status(f"{address}/", host) == answer
                    assert _status(f"{address}/_stcore/stream", host, **UPGRADE) == (101 if answer == 200 else 403)
                with socket.socket() as outside, pytest.raises(OSError):
                    outside.settimeout(1)
                    outside.connect((socket.gethostbyname(socket.gethostname()), int(found[1])))
                    if outside.getpeername()[0].startswith("127."):
                        raise OSError
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=10)
        deadline = time.monotonic() + 10
        while _listening(int(found[1])) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not _listening(int(found[1]))


UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip


def _status(address: str, host: str, **headers: str) -> int:
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
    try:
        connection.request("GET", where.path or "/", headers={"Host": host, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"path": Path("/not/there")}, "no such folder"),
        ({"path": Path(__file__)}, "no such folder"),
        *(({"base_path": base}, "--base-path") for base in ("a b", "/x/../y", "x//y", "http://x", "/?q", "/é")),
        ({"port": 1, "host": "203.0.113.1"}, "--port 1"),
    ],
)
def test_what_cannot_be_served_is_an_error_in_words(store: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        launch(**{"path": store, **given})


def test_addresses() -> None:
    assert address("::1", 8501, "") == "http://[::1]:8501"
    assert address("127.0.0.1", 80, "x/y") == "http://127.0.0.1:80/x/y"


@pytest.mark.parametrize(
    ("host", "names", "expected"),
    [
        *(
            (host, {"a.example"}, True)
            for host in ("localhost", "LOCALHOST.:1", "127.0.0.1:80", "[::1]:8501", "10.1.2.3")
        ),
        ("A.example:8501", {"a.example"}, True),
        ("anything", {"*"}, True),
        *(
            (host, {"a.example"}, False)
            for host in ("", "b.example", "a.example.b", "127.0.0.1.b", "[::1", "localhost.b")
        ),
    ],
)
def test_hosts(host: str, names: set[str], expected: bool) -> None:
    assert known(host, names) is expected


def test_the_server_allows_itself_more_open_files() -> None:
    code = (
        "import resource; _, hard = resource.getrlimit(resource.RLIMIT_NOFILE); "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard)); import dashboard.server; "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(4096, hard if hard > 0 else 4096))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no uvloop")
def test_the_server_runs_on_a_loop_that_sends_small_answers_at_once() -> None:
    factory = uvicorn.Config("dashboard.server:app").get_loop_factory()
    assert factory is not None and factory.__module__ == "uvloop"


def test_the_first_store_is_opened_before_anybody_visits(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: Queue[str] = Queue()
    monkeypatch.setenv(STORES_VARIABLE, str(store))
    monkeypatch.setattr(boards, "open_board", lambda name, path: opened.put(name))
    early.begin()
    assert opened.get(timeout=60) == store.name


def test_pages_have_the_style_and_those_of_charts_plotly_s_script(store: Path) -> None:
    as_browsers = {"Accept": "text/html,*/*", "Accept-Encoding": "gzip", "If-None-Match": "*"}
    with served(store) as at:
        for path in ("", "explainers", "cases"):
            with urlopen(Request(f"{at}/{path}", headers=as_browsers)) as page:
                text = page.read().decode()
                assert len(text.encode()) == int(page.headers["content-length"]) and text.rstrip().endswith("</html>")
                assert page.headers["etag"] is None and page.headers["content-encoding"] is None
            assert ".stMain .block-container" in text.partition("</head>")[0]
            found = re.findall(r'<link rel="modulepreload" crossorigin href="(.*PlotlyChart.*\.js)"><script>', text)
            assert len(found) == (path != "cases")
            for script in found:
                assert f'import("{script}")' in text
                with urlopen(urljoin(f"{at}/{path}", script)) as answer:
                    assert int(answer.headers["content-length"]) == len(answer.read()) > 10**6
        with urlopen(Request(f"{at}/cases", headers={"Accept-Encoding": "gzip"})) as packed:
            assert gzip.decompress(packed.read()).rstrip().endswith(b"</html>")
        with urlopen(Request(f"{at}/cases", method="HEAD")) as head:
            assert head.read() == b""
