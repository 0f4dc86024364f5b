"""The derived tables of a store, a piece of whole photos at a time, by derived.sql."""

from collections.abc import Iterable, Mapping, Sequence
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
        for file in ("measures.sql", "derived.sql"):
            connection.execute(resources.files("compute.store").joinpath(file).read_text())
        return {name: _table(connection, name, schema) for name, schema in DERIVED.items()}


def taking_part(explainers: Iterable[Mapping[str, Any]], explained: pa.ChunkedArray) -> list[str]:
    """The names of those that are ranked: no baselines, and none that has explained no case at all."""
    names = set(explained.unique().to_pylist())
    return [e["name"] for e in explainers if not e["baseline"] and e["name"] in names]


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
