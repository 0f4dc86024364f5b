"""Start the dashboard's server as a process of its own."""

import ipaddress
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from upath import UPath

from compute.errors import InputError
from compute.store.places.finding import stores_at
from compute.store.places.place import Place
from dashboard import HOSTS_VARIABLE, STORES_VARIABLE
from dashboard.text import visible

_SERVER = Path(__file__).with_name("server.py")
_PORTS_TRIED = 20
_PAUSE = 0.05
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of this machine's, by one that can be connected to."""
_REMEMBERED = 5
"""Seconds for which the server keeps a session whose visitor has gone: the URL holds all that it needs to come back."""


def launch(
    path: Place,
    *,
    port: int = 8501,
    host: str = "127.0.0.1",
    base_path: str = "",
    allowed_hosts: Sequence[str] = (),
) -> int:
    """Serve the stores at or under a path or a URL until interrupted; returns the server's exit status.

    Takes the next free port where the wanted one is taken, and prints the address once it can be visited.

    Args:
        path: A store, or a folder or bucket of stores.
        port: Port from which on a free one is taken.
        host: Address to listen on.
        base_path: Path of the address below which the pages lie, as behind a reverse proxy.
        allowed_hosts: Names under which the dashboard answers, besides addresses, localhost and `host`; "*" is any.

    Raises:
        InputError: no such folder, a URL without a store, no free port, an address that is not this machine's, or a
            base path that is none.
    """
    if isinstance(path, UPath):
        if not stores_at(path):
            raise InputError(f"{path}: no store lies there; give a store, or a bucket of stores")
    elif not path.is_dir():
        raise InputError(f"{path}: no such folder; give a store, or a folder of stores")
    base = base_path.strip("/")
    if not re.fullmatch(r"([\w~-][\w.~-]*(/(?!$)|$))*", base, re.ASCII):
        raise InputError(f"--base-path {base_path}: give a path such as /wolfspider, of letters, digits and . _ ~ -")
    port = _free_port(host, port)
    command = [
        *(sys.executable, "-m", "streamlit", "run", str(_SERVER)),
        *(f"--server.address={host}", f"--server.port={port}", f"--server.baseUrlPath={base}"),
        f"--server.disconnectedSessionTTL={_REMEMBERED}",
        *(
            "--server.headless=true",
            "--browser.gatherUsageStats=false",
            "--server.fileWatcherType=none",
            "--logger.hideWelcomeMessage=true",
            "--logger.level=warning",
            "--global.disableWidgetStateDuplicationWarning=true",  # the URL decides what widgets show
        ),
    ]
    names = ",".join([host, *_own_names(host), *allowed_hosts])
    environment = {
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own keeps the memory of tables that are gone,
        "MALLOC_ARENA_MAX": "2",  # and so do as many heaps as there are threads
        "OPENBLAS_NUM_THREADS": "1",  # those of NumPy would keep visitors' threads waiting
        **os.environ,
        STORES_VARIABLE: str(path if isinstance(path, UPath) else path.resolve()),
        HOSTS_VARIABLE: names,
    }
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    with subprocess.Popen(command, env=environment) as server:
        try:
            while server.poll() is None and not _listening(host, port):
                time.sleep(_PAUSE)
            if server.poll() is None:
                at = address(host, port, base)
                print(f"wolfspider dashboard over {visible(path)}: {at} (Ctrl+C stops it)", flush=True)
            return server.wait()
        finally:
            server.terminate()


def address(host: str, port: int, base: str) -> str:
    """The URL of the first page."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/{base}".rstrip("/")


def _own_names(host: str) -> list[str]:
    """Names of this machine, where it listens to others."""
    try:
        alone = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        alone = False
    return [] if alone else [socket.gethostname(), socket.getfqdn()]


def _listening(host: str, port: int) -> bool:
    try:
        socket.create_connection((_LOOPBACK.get(host, host), port), timeout=1).close()
    except OSError:
        return False
    return True


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
