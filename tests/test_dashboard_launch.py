"""The server process: where it listens, what it prints, and that it ends with its parent."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from make_store import make_store
from served import ready


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "made", cases=6, size=32)


def test_serves_at_the_next_free_port_until_terminated(store: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code = (
            f"from pathlib import Path; from dashboard.launch import launch; launch(Path({str(store)!r}), port={port})"
        )
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert found is not None and int(found[1]) > port
            address = found[0]
            try:
                ready(address)
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


def _listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
