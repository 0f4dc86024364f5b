"""The description of the store is the schema's own."""

from pathlib import Path

from compute.schema import TABLES, as_markdown

ROOT = Path(__file__).parent.parent


def test_data_readme_holds_the_schema() -> None:
    lines = set((ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines())
    missing = [line for line in as_markdown().splitlines() if line not in lines]
    assert not missing, "run `python -m compute.schema` and put its output into data/README.md"


def test_every_column_is_described() -> None:
    text = as_markdown()
    for table, schema in TABLES.items():
        assert f"### `{table}.parquet`" in text
        for field in schema:
            assert len(field.metadata[b"doc"]) > 3
            assert f"| `{field.name}` | {field.type}" in text
