"""The description of the store is the schema's own."""

import re
from pathlib import Path

import tiny

from compute.store.schema import PUBLISHED, as_markdown

ROOT = Path(__file__).parent.parent


def test_data_readme_holds_the_schema() -> None:
    lines = set((ROOT / "data" / "README.md").read_text(encoding="utf-8").splitlines())
    missing = [line for line in as_markdown().splitlines() if line not in lines]
    assert not missing, "run `python -m compute.store.schema` and put its output into data/README.md"


def test_every_column_is_described() -> None:
    text = as_markdown()
    for table, schema in PUBLISHED.items():
        assert f"### `{table}.parquet`" in text
        for field in schema:
            assert len(field.metadata[b"doc"]) > 3
            assert f" | {field.type}" in text
            assert field.metadata[b"doc"].decode().replace("|", "\\|") in text


def test_readme_explainer_takes_part(in_folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    (source,) = [block for block in blocks if "def path_gradients" in block]
    assert len(source.splitlines()) <= 20
    (in_folder / "readme_explainer.py").write_text(source, encoding="utf-8")
    explainers = ("saliency", "random", "readme_explainer:path_gradients")
    store = tiny.published(tmp_path / "store", 3, explainers=explainers)
    with store.connect() as connection:
        scored = connection.execute("select distinct explainer from explanations order by 1").fetchall()
        assert connection.execute("select count(*) from failures where stage = 'explain'").fetchall() == [(0,)]
    assert scored == [("path_gradients",), ("random",), ("saliency",)]
