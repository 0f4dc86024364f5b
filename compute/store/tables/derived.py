"""The derived tables of a store, a piece of whole photos at a time, by derived.sql."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import duckdb
import pyarrow as pa

from compute.store.schema import DERIVED


def derive(attempts: pa.Table, explanations: pa.Table, ranked: Sequence[str]) -> dict[str, pa.Table]:
    """`DERIVED` of some whole photos.

    Args:
        attempts: of these photos.
        explanations: of these photos.
        ranked: methods that take part in the ranks of the whole store.
    """
    with duckdb.connect(
        ":memory:", config={"threads": 1}
    ) as connection:  # more would add up in another order each time
        connection.from_arrow(attempts).create_view("attempts")
        connection.from_arrow(explanations.select(["case_id", "explainer", "pixels", "hits"])).create_view(
            "explanations"
        )
        connection.from_arrow(pa.table({"name": pa.array(ranked, pa.string())})).create_view("ranked")
        for file in ("measures.sql", "tables/derived.sql"):
            connection.execute(resources.files("compute.store").joinpath(file).read_text())
        return {name: _table(connection, name, schema) for name, schema in DERIVED.items()}


def taking_part(explainers: Iterable[Mapping[str, Any]], explained: Collection[str]) -> list[str]:
    """The names of those that are ranked: no baselines, and none that has explained no case at all."""
    return [e["name"] for e in explainers if not e["baseline"] and e["name"] in explained]


def wrongly_derived(tables: Mapping[str, pa.Table], explainers: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of the derived tables of a store that do not follow from its others."""
    ranked = taking_part(explainers, set(tables["explanations"]["explainer"].unique().to_pylist()))
    again = derive(tables["attempts"], tables["explanations"], ranked)
    return [name for name, table in again.items() if not _same(table, tables[name])]


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
