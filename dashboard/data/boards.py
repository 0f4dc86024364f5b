"""Stores as the pages see them: found under a path, opened once per process, queried by one cursor a use."""

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, Concatenate, ParamSpec, TypeVar

import duckdb
import pandas as pd
import pyarrow as pa
import streamlit as st

from compute.errors import InputError
from compute.store.opening import MANIFEST, Store, open_store
from compute.store.schema import PUBLISHED
from dashboard import STORES_VARIABLE
from dashboard.data.images import Images, Stamp, stamp

_HELD = ("fits", "spreads")
"""Views that every selection asks: computed once."""

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


def find(path: Path) -> dict[str, Path]:
    """Stores by name: the path itself, or else its direct subfolders, sorted; empty where there is none."""
    try:
        if _looks_like_store(path):
            return {_name(path.resolve()): path}
        return {_name(p): p for p in sorted(path.iterdir()) if _looks_like_store(p)}
    except OSError:
        return {}


def _name(path: Path) -> str:
    """The folder's name; bytes in it that are not UTF-8, which no URL or page can hold, are spelled out."""
    return os.fsencode(path.name).decode(errors="backslashreplace")


def root() -> Path:
    """Where this dashboard looks for stores."""
    return Path(os.environ.get(STORES_VARIABLE, "data"))


def open_board(name: str, path: Path) -> Board:
    """The board of a store, opened once per process, and again when any of its files has changed.

    Raises:
        InputError: not a usable store.
    """
    return _open(name, path, _stamps(path))


def _stamps(path: Path) -> tuple[Stamp, ...]:
    """What tells the store's files from any others; empty where one is missing, which opening it will say."""
    try:
        return tuple(
            stamp(file.stat()) for file in (path / MANIFEST, *(path / f"{name}.parquet" for name in PUBLISHED))
        )
    except OSError:
        return ()


@st.cache_resource(show_spinner="Opening the store …", max_entries=16)
def _open(name: str, path: Path, stamps: tuple[Stamp, ...]) -> Board:
    store = open_store(path)
    size = int(store.manifest["classifier"]["size"])
    try:
        images = Images(store.file("images"), [e["name"] for e in store.manifest["explainers"]], size)
        base = store.connect()
        for view in _HELD:
            base.execute(f"create table held as from {view}; drop view {view}; alter table held rename to {view}")
    except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: the tables cannot be read ({reason}); publish the store again") from error
    if _stamps(path) != stamps:
        raise InputError(f"{path}: changed while it was opened; load the page again")
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


def _looks_like_store(path: Path) -> bool:
    return (path / MANIFEST).is_file() or (path / "run.json").is_file()
