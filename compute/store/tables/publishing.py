"""Joining the parts of a run into the tables of its store.

Memory holds some parts and pieces of tables at a time, however many there are. Parts are read and tables derived by
threads, and written in the order given, so that the bytes do not depend on how many threads there are. If it is
interrupted, all parts are still there, and it begins again.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from compute.store import part
from compute.store.schema import BLOB_ROW_GROUP, DERIVED, TABLES
from compute.store.tables.derived import SOURCES, derive, joined, taking_part
from compute.store.tables.writing import Writer

PIECE = 50_000
"""Explanations from which tables are derived at a time: a million (case, n) in memory."""
WORKERS = min(8, os.cpu_count() or 1)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def publish(
    folder: Path,
    root: Path,
    groups: Sequence[Sequence[str]],
    explainers: Iterable[Mapping[str, Any]],
    kept: Callable[[pa.Table], pa.Table],
) -> dict[str, Any]:
    """Join parts, in the order given, into tables, and derive others.

    Args:
        folder: of the parts.
        root: of the store.
        groups: names of parts; a group holds whole photos.
        explainers: of the manifest.
        kept: of some rows of `images`, those that are published.

    Returns:
        What the manifest says of them: `seconds` and `tables`.

    Raises:
        InputError: a part is damaged.
        OSError: a table cannot be written.
    """
    folders = [[folder / name for name in group] for group in groups]
    every = [path for group in folders for path in group]
    seconds: dict[str, float] = {}
    tables: dict[str, Any] = {}
    explained: set[str] = set()
    with ThreadPoolExecutor(WORKERS) as pool:
        for some in _ahead(pool, part.seconds, every):
            for stage, value in some.items():
                seconds[stage] = seconds.get(stage, 0.0) + value
        for table in TABLES:
            with Writer(table, root, folder) as writer:
                for rows in _batches(table, _ahead(pool, partial(part.table, name=table), every)):
                    writer.write(kept(rows) if table == "images" else rows)
                    if table == "explanations":
                        explained.update(rows["explainer"].unique().to_pylist())
                tables[table] = writer.entry()
        pieces = _ahead(pool, partial(derive, methods=taking_part(explainers, explained)), _whole(folders))
        tables |= write_derived(pieces, root, folder)
    return {"seconds": {k: round(v, 3) for k, v in seconds.items()}, "tables": tables}


def write_derived(pieces: Iterable[Mapping[str, pa.Table]], root: Path, drafts: Path) -> dict[str, Any]:
    """Write the derived tables of consecutive pieces; the counts of ranks come together."""
    counts = DERIVED["rank_counts"].empty_table()
    with ExitStack() as stack:
        writers = {table: stack.enter_context(Writer(table, root, drafts)) for table in DERIVED}
        for piece in pieces:
            counts = joined([counts, piece["rank_counts"]])
            for table in set(DERIVED) - {"rank_counts"}:
                writers[table].write(piece[table])
        writers["rank_counts"].write(counts)
        return {table: writer.entry() for table, writer in writers.items()}


def _ahead(pool: ThreadPoolExecutor, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """The results in order, as many computed ahead as there are workers: memory is bounded."""
    running: deque[Future[_Result]] = deque()
    for item in items:
        running.append(pool.submit(function, item))
        if len(running) > WORKERS:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


def _batches(table: str, parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables of at least a row group each, so that many small parts do not become many small row groups."""
    enough = BLOB_ROW_GROUP if table == "images" else PIECE
    held: list[pa.Table] = []
    for rows in parts:
        held.append(rows)
        if sum(t.num_rows for t in held) >= enough:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _whole(groups: Iterable[Sequence[Path]]) -> Iterator[dict[str, pa.Table]]:
    """What tables are derived from, some groups at a time, with about `PIECE` explanations."""
    held: dict[str, list[pa.Table]] = {}
    for group in groups:
        for name in SOURCES:
            held.setdefault(name, []).extend(part.table(folder, name) for folder in group)
        if sum(t.num_rows for t in held["explanations"]) >= PIECE:
            yield {name: pa.concat_tables(tables) for name, tables in held.items()}
            held = {}
    if held:
        yield {name: pa.concat_tables(tables) for name, tables in held.items()}
