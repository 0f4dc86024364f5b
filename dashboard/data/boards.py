"""Stores as the pages see them: found under a path, opened once per process, queried by one cursor a use."""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Concatenate, ParamSpec, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import streamlit as st
from upath import UPath

from compute.errors import InputError
from compute.store.files import LARGEST_JSON, Stamp, open_regular, read_whole, sha256, stamp
from compute.store.opening import MANIFEST, Store, open_store
from compute.store.places.finding import stores_at
from compute.store.places.place import Place, place
from dashboard import STORES_VARIABLE
from dashboard.data.images import Images

ASKED_AGAIN = 30
"""Seconds after which a URL is asked again which stores lie there, and whether they have changed."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Board:
    """An opened store with its in-memory tables; shared by all visitors, so nothing here may change.

    Attributes:
        name: the store's folder, as in the URL.
        store: the checked store.
        key: of caches; it stands for the very bytes in memory, since every opening has another one.
    """

    name: str
    store: Store
    _base: duckdb.DuckDBPyConnection
    _images: Images
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as published."""
        return self.store.manifest

    @property
    def size(self) -> int:
        """Side of the square images, pixels."""
        return int(self.manifest["classifier"]["size"])

    @property
    def pictured(self) -> bool:
        """Whether it holds pictures: a store can be made and packed without them."""
        return bool(self.manifest["given"].get("keep", "images") == "images")

    def setting(self, name: str) -> str:
        """A value of the run's configuration as text; "unknown" where the manifest lacks it."""
        return str(self.manifest["config"].get(name, "unknown"))

    @property
    def explainers(self) -> list[str]:
        """All explainers in the order of the manifest, baselines included."""
        return [e["name"] for e in self.manifest["explainers"]]

    @property
    def ranked(self) -> list[str]:
        """Explainers that take part in the ranks."""
        return [e["name"] for e in self.manifest["explainers"] if not e["baseline"]]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of its own for the calling thread; close it after use."""
        return self._base.cursor()

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> pd.DataFrame:
        """Run a parametrised query over the store's tables and views."""
        with self.cursor() as cursor:
            return cursor.execute(sql, params).df()

    def images(self, *owners: str) -> dict[tuple[str, str], bytes]:
        """PNG bytes by (owner, kind) of photos and cases, in one read; those that cannot be read are left out."""
        return self._images.read(owners)


def find(root: Place) -> dict[str, Place]:
    """Stores by name: the place itself, or else its direct subfolders, sorted; empty where there is none.

    Raises:
        InputError: see `stores_at`.
    """
    if isinstance(root, UPath):
        return {_name(path): path for path in _stores_behind(str(root))}
    found = stores_at(root)
    return {_name(root.resolve() if found == [root] else path): path for path in found}


def _name(path: Place) -> str:
    """The folder's name; bytes in it that are not UTF-8, which no URL or page can hold, are spelled out."""
    name = str(path).rstrip("/").rpartition("/")[2]
    return os.fsencode(name).decode(errors="backslashreplace")


def root() -> Place:
    """Where this dashboard looks for stores."""
    return place(os.environ.get(STORES_VARIABLE, "data"))


def open_board(name: str, path: Place) -> Board:
    """The board of a store, opened once per process, and again when any of its files has changed.

    Raises:
        InputError: not a usable store.
    """
    return _open(name, path, _stamps(path))


def _stamps(path: Place) -> tuple[Stamp, ...]:
    """What tells the store's files from any others; empty where one is missing, which opening it will say."""
    try:
        if isinstance(path, UPath):
            return (_stamp_behind(str(path)),)
        stamps = []
        for file in (path / MANIFEST, *sorted(path.glob("*.parquet"))):
            with open_regular(file) as opened:
                stamps.append(stamp(opened))
        return tuple(stamps)
    except InputError:
        return ()


@st.cache_resource(show_spinner="Looking for stores …", ttl=ASKED_AGAIN)
def _stores_behind(url: str) -> list[Place]:
    return stores_at(place(url))


@st.cache_data(show_spinner=False, ttl=ASKED_AGAIN)
def _stamp_behind(url: str) -> Stamp:
    """Of a store behind a URL: its manifest has the checksums of all else, and one request reads it."""
    return url, sha256(read_whole(place(url) / MANIFEST, LARGEST_JSON))


@st.cache_resource(show_spinner="Opening the store …", max_entries=16)
def _open(name: str, _path: Place, stamps: tuple[Stamp, ...]) -> Board:
    store = open_store(_path)
    try:
        images = Images(store)
        base = store.connect()
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{_path}: the tables cannot be read ({reason}); publish the store again") from error
    if _stamps(_path) != stamps:
        raise InputError(f"{_path}: changed while it was opened; load the page again")
    store = replace(store, tables={})  # DuckDB has them, a third as large
    pa.default_memory_pool().release_unused()
    return Board(name, store, base, images)


def current() -> Board:
    """The board that app.py chose for this run of the page."""
    board: Board = st.session_state["board"]
    return board


def cached(query: Callable[Concatenate[Board, _P], _T], board: Board, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """The result of a function of a board, computed once per store and (hashable) arguments."""
    result: _T = _cached(query, board, args, kwargs)
    return result


def shared(draw: Callable[Concatenate[Board, _P], _T], board: Board, *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """As `cached`, but all visitors get the same object, which none of them may change: for figures, slow to copy."""
    result: _T = _shared(draw, board, args, kwargs)
    return result


KEYS: dict[str | type[Any], Callable[[Any], Any]] = {
    Board: lambda board: board.key,
    FunctionType: lambda function: f"{function.__module__}.{function.__qualname__}",
}
"""`hash_funcs` of every cache of something that a board tells."""


@st.cache_resource(show_spinner=False, max_entries=256, hash_funcs=KEYS)
def _shared(draw: Callable[..., Any], board: Board, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return draw(board, *args, **kwargs)


@st.cache_data(show_spinner=False, max_entries=256, hash_funcs=KEYS)
def _cached(query: Callable[..., Any], board: Board, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return query(board, *args, **kwargs)
