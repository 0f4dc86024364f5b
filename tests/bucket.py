"""A bucket behind moto's server on loopback, over S3's own protocol, and a web server of ranges; both can fail."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
from moto.server import DomainDispatcherApplication, create_backend_app
from upath import UPath
from werkzeug.serving import make_server

SECRET = {"AWS_ACCESS_KEY_ID": "AKIDwolfspider", "AWS_SECRET_ACCESS_KEY": "s3cr3tOfTests"}
Environ = dict[str, Any]
Fault = Callable[[Environ, Callable[..., Any]], Iterable[bytes] | None]
"""Answers a request in S3's stead, or leaves it to it."""


class Bucket:
    """S3 with one bucket.

    Attributes:
        faults: asked in turn before a request is answered.
        asked: (method, path) of the requests so far.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self._s3 = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        self.asked.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        for fault in self.faults:
            if (answer := fault(environ, start)) is not None:
                return answer
        found: Iterable[bytes] = self._s3(environ, start)
        return found

    def names(self, folder: str = "") -> set[str]:
        """All objects below a folder of the bucket."""
        root = UPath("s3://bucket", use_listings_cache=False) / folder
        return {name.removeprefix(root.path).lstrip("/") for name in root.fs.find(root.path)}

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """S3 with a fault."""
        self.faults.append(fault)
        try:
            yield
        finally:
            self.faults.remove(fault)


@contextmanager
def served() -> Iterator[Bucket]:
    """The bucket s3://bucket, which the libraries find as they would find a real one's: by the environment."""
    bucket = Bucket()
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = make_server("127.0.0.1", 0, bucket, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    given = {
        **SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    fsspec.config.conf["s3"] = {"config_kwargs": {"read_timeout": 1}}
    try:
        UPath("s3://bucket", use_listings_cache=False).mkdir()
        yield bucket
    finally:
        server.shutdown()
        del fsspec.config.conf["s3"]
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def refused(code: int, reason: str, *, only: str = "", path: str = "", times: int = 10**6) -> Fault:
    """An answer of S3's that says no, to requests of a method and a path, so many times."""
    left = [times]

    def answer(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes] | None:
        if left[0] <= 0 or not concerned(environ, only, path):
            return None
        left[0] -= 1
        start(f"{code} No", [("Content-Type", "application/xml")])
        if environ["REQUEST_METHOD"] == "HEAD":
            return []
        return [f"<Error><Code>{reason}</Code><Message>{reason} it is</Message></Error>".encode()]

    return answer


def cut(bucket: Bucket, path: str, *, times: int = 1, pause: float = 0.0) -> Fault:
    """Half of an object, and then, after a pause in seconds, the end of the connection."""
    left = [times]

    def answer(environ: Environ, start: Callable[..., Any]) -> Iterable[bytes] | None:
        if left[0] <= 0 or not concerned(environ, "GET", path):
            return None
        left[0] -= 1
        whole = b"".join(bucket._s3(environ, start))

        def half() -> Iterator[bytes]:
            yield whole[: len(whole) // 2]
            time.sleep(pause)
            raise ConnectionResetError

        return half()

    return answer


def concerned(environ: Environ, method: str, path: str) -> bool:
    """Whether a request is of a method and a path."""
    return method in ("", environ["REQUEST_METHOD"]) and path in environ["PATH_INFO"]


class Ranges(SimpleHTTPRequestHandler):
    """Files by ranges; `faults` maps a path to what goes wrong with it, one for each request."""

    faults: dict[str, list[str]]
    asked: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        """Answer a request for a range, or for all."""
        wanted = self.headers.get("Range", "")
        type(self).asked.append((self.command, self.path, wanted))
        wrong = self.faults.get(self.path, [])
        fault = wrong.pop(0) if wrong else ""
        path = Path(self.translate_path(self.path))
        if fault.startswith(("http", "file")):
            self.send_response(302)
            self.send_header("Location", fault)
            self.end_headers()
            return
        if fault.isdigit() or not path.is_file():
            self.send_error(int(fault or 404))
            return
        data, first, last = path.read_bytes(), 0, None
        if wanted and fault != "no ranges":
            first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        some = data[first : None if last is None else last + 1]
        self.send_response(200 if last is None else 206)
        self.send_header("Content-Length", str(len(some)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "endless":
            some += bytes(2**24)
        self.wfile.write(some[: len(some) // 2] if fault == "cut" else some)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def web(folder: Path) -> Iterator[tuple[str, type[Ranges]]]:
    """The address of a web server over a folder, and its handler, which holds its faults."""

    class Handler(Ranges):
        faults: dict[str, list[str]] = {}  # noqa: RUF012
        asked: list[tuple[str, str, str]] = []  # noqa: RUF012

        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Handler
        server.shutdown()
