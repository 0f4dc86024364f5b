"""The derived tables of a store, a piece of whole photos at a time, by derived.sql."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa

from compute.store.schema import DERIVED, N_SIZES, WHOLE, at_size

SOURCES = {
    "attempts": ["case_id", "photo_id", "region_pixels", "n_pixels"],
    "explanations": ["case_id", "explainer", "pixels", "hits", "diagnostics", *WHOLE, "undone"],
    "controls": ["case_id", "explainer", "control", "pixels", "hits", "correlation"],
    "repeats": ["case_id", "explainer", "pixels", "hits"],
}
"""What they follow from: columns by table."""
_AT_EACH_SIZE = ", ".join(
    f"[{{pixels: m.pixels[{n}], hits: m.hits[{n}]}} for m in methods] as {at_size(n)}" for n in range(1, N_SIZES + 1)
)


def derive(tables: Mapping[str, pa.Table], methods: Mapping[str, bool]) -> dict[str, pa.Table]:
    """`DERIVED` of some whole photos.

    Args:
        tables: `SOURCES` of these photos.
        methods: of the store, and whether they are ranked (`taking_part`).
    """
    with duckdb.connect(
        ":memory:", config={"threads": 1}
    ) as connection:  # more would add up in another order each time
        for name, columns in SOURCES.items():
            connection.from_arrow(tables[name].select(columns)).create_view(name)
        connection.execute("create table methods (name varchar, position integer, ranked boolean)")
        for position, (name, ranked) in enumerate(methods.items()):
            connection.execute("insert into methods values (?, ?, ?)", [name, position, ranked])
        for file in ("measures.sql", "tables/derived.sql"):
            connection.execute(resources.files("compute.store").joinpath(file).read_text())
        connection.execute(f"create table case_counts as select case_id, {_AT_EACH_SIZE} from counts_by_method")
        return {name: _table(connection, name, schema) for name, schema in DERIVED.items()}


def taking_part(explainers: Iterable[Mapping[str, Any]], explained: Collection[str]) -> dict[str, bool]:
    """All methods, and whether they are ranked: no baselines, and none that has explained no case at all."""
    return {e["name"]: not e["baseline"] and e["name"] in explained for e in explainers}


def wrongly_derived(tables: Mapping[str, pa.Table], explainers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the derived tables of a store that do not follow from its others."""
    methods = taking_part(explainers, set(tables["explanations"]["explainer"].unique().to_pylist()))
    return [name for name, table in derive(tables, methods).items() if not _same(table, tables[name])]


def joined(counts: Sequence[pa.Table]) -> pa.Table:
    """`rank_counts` of all pieces together."""
    schema = DERIVED["rank_counts"]
    keys = [name for name in schema.names if name != "cases"]
    summed = pa.concat_tables(counts).group_by(keys).aggregate([("cases", "sum")])
    return (
        summed.rename_columns({"cases_sum": "cases"})
        .select(schema.names)
        .sort_by([(k, "ascending") for k in keys])
        .cast(schema)
    )


def _table(connection: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema) -> pa.Table:
    return connection.table(name).select(*schema.names).to_arrow_table().cast(schema)


def _same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same rows, in whatever order."""
    keys = [(name, "ascending") for name in one.schema.names if not pa.types.is_list(one.schema.field(name).type)]
    return bool(one.sort_by(keys).equals(other.cast(one.schema).sort_by(keys)))
