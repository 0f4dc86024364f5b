"""A store's views over made counts."""

from collections.abc import Iterable
from typing import Any

import duckdb
import pyarrow as pa

from compute.store.opening import connected
from compute.store.schema import N_SIZES, TABLES, WHOLE
from compute.store.tables.derived import derive

Count = tuple[str, str, str, int, int]
"""Photo, case, explainer, pixels, hits."""


def over(counts: Iterable[Count], explainers: Iterable[tuple[str, bool]]) -> duckdb.DuckDBPyConnection:
    """The views over counts that are the same at every n; regions have 10 of 100 pixels."""
    rows, known = list(counts), list(explainers)
    photos = [{"photo_id": p, "name": p, "size": 10} for p in sorted({row[0] for row in rows})]
    attempts = [
        {"case_id": case, "photo_id": p, "region_pixels": 10, "n_pixels": 100, "success": True}
        for p, case in sorted({row[:2] for row in rows})
    ]
    explanations = [
        {
            "case_id": case,
            "explainer": name,
            "pixels": [pixels] * N_SIZES,
            "hits": [hits] * N_SIZES,
            **dict.fromkeys(WHOLE, 0.0),
        }
        for _, case, name, pixels, hits in rows
    ]
    tables = {name: _table(name, []) for name in TABLES if name != "images"}
    given: dict[str, list[dict[str, Any]]] = {"photos": photos, "attempts": attempts, "explanations": explanations}
    tables |= {name: _table(name, some) for name, some in given.items()}
    explained = {row[2] for row in rows}
    methods = {name: not baseline and name in explained for name, baseline in known}
    return connected(tables | derive(tables, methods), known)


def _table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=pa.schema([f.with_nullable(True) for f in TABLES[name]]))
