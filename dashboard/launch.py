"""Start the dashboard's server as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from compute.errors import InputError
from dashboard import STORES_VARIABLE

_APP = Path(__file__).with_name("app.py")
_PORTS_TRIED = 20


def launch(path: Path, *, port: int = 8501, host: str = "127.0.0.1", headless: bool = True) -> int:
    """Serve the stores at or under the path until interrupted; returns the server's exit status.

    Takes the next free port where the wanted one is taken, and prints the address.

    Raises:
        InputError: no free port, or an address that is not this machine's.
    """
    port = _free_port(host, port)
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(_APP)),
        *(f"--server.address={host}", f"--server.port={port}", f"--server.headless={str(headless).lower()}"),
        *(
            "--browser.gatherUsageStats=false",
            "--server.fileWatcherType=none",
            "--logger.hideWelcomeMessage=true",
            "--logger.level=warning",
            "--global.disableWidgetStateDuplicationWarning=true",  # the URL decides what widgets show
        ),
    ]
    print(f"wolfspider dashboard over {path}: http://{host}:{port} (Ctrl+C stops it)", flush=True)
    environment = {**os.environ, STORES_VARIABLE: str(path.resolve())}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        finally:
            server.terminate()


def _free_port(host: str, first: int) -> int:
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except PermissionError as error:
                raise InputError(f"--port {port}: not allowed") from error
            except OSError:
                continue
            return port
    raise InputError(f"--port {first}: no free port at {host} from there on; give another with --port")
