"""Downloads: a case as .npz with a README, a selection as CSV or Parquet."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from compute.store.png import from_png
from dashboard.data.boards import Board
from dashboard.data.matching import by_method, everything, sizes
from dashboard.data.selection import Selection
from dashboard.text import code
from dashboard.viewer.casefile import CaseFile

README = """# Case {case_id}

Of the store {store} (configuration {config_hash}), classifier {classifier}, target {target}.
The crop of {photo} was classified as {clean}; after an attack on one region it is classified as {final}.

`numpy.load` reads this file. Arrays, with H = W = {size}{lacking}:

| array | shape, type | meaning |
|---|---|---|
| photo, adversarial | (H, W, 3) uint8 | RGB before and after the attack |
| region | (H, W) bool | the attacked region C |
| entry_EXPLAINER | (H, W) uint8 | smallest n with the pixel in P_n, 0: never; P_n = (0 < entry) & (entry <= n) |
| explainers | (E,) text | explainers that have scores, in the order of the next arrays |
| pixels, hits | (E, 20) int32 | number of pixels in P_n, and in both P_n and C, for n = 1 ... 20 |
| jaccard, hamming | (E, 20) float64 | hits / |P or C|, and 1 - |P xor C| / N |

Facts of the case:

```json
{facts}
```
"""


def case_npz(board: Board, case: CaseFile) -> bytes:
    """Arrays of a case and a README.md, as an .npz."""
    arrays: dict[str, Any] = {kind: from_png(png) for kind, png in case.pictures.items()}
    if case.region.size:
        arrays["region"] = case.region.astype(np.bool_)
    arrays |= {f"entry_{name}": entry for name, entry in case.entries.items()}
    scores = case.scores.groupby("explainer", sort=False)
    arrays["explainers"] = np.array([str(name) for name, _ in scores])
    for column, kind in (("pixels", np.int32), ("hits", np.int32), ("jaccard", float), ("hamming", float)):
        arrays[column] = np.array([rows[column].to_numpy(kind) for _, rows in scores])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.md", _readme(board, case))
    return buffer.getvalue()


def _readme(board: Board, case: CaseFile) -> str:
    texts = {
        "case_id": case.facts["case_id"],
        "store": board.name,
        "config_hash": board.manifest.get("config_hash", "unknown"),
        "classifier": board.manifest["classifier"]["name"],
        "target": case.facts["target_class"],
        "photo": case.facts["photo_name"],
        "clean": case.facts["clean_class"],
        "final": case.facts["final_class"],
    }
    return README.format(
        **{name: code(text) for name, text in texts.items()},
        size=board.size,
        lacking="" if case.pictures else ", of which those are left out that the store lacks or that cannot be read",
        facts=json.dumps({**case.facts, "explanations": case.explanations}, indent=2, default=float),
    )


def table(board: Board, selection: Selection) -> pd.DataFrame:
    """The selected cases in order, one row each.

    `score` is that of the columns explainer, measure and n, less that of `minus`; `score_n`, `best_n` and `worst_n` are
    the n at which it, the best and the worst method's scores were taken (empty for means). A column a method follows.
    """
    found = everything(board.query, selection)
    ids = found["case_id"].tolist()
    if selection.n != "mean":
        whose = {"score_n": [selection.explainer] * len(ids)}
        whose |= {f"{end}_n": found[f"{end}_method"].fillna("").tolist() for end in ("best", "worst")}
        found = found.assign(**{name: sizes(board.query, selection, ids, names) for name, names in whose.items()})
    for name in ("minus", "n", "measure", "explainer"):
        found.insert(1, name, getattr(selection, name))
    scores = by_method(board.query, selection, ids).reindex(found["case_id"]).reset_index(drop=True)
    return pd.concat([found.drop(columns="position"), scores.add_prefix(f"{selection.measure} ")], axis=1)


def table_csv(board: Board, selection: Selection) -> bytes:
    """The selected cases as CSV, UTF-8."""
    return table(board, selection).to_csv(index=False).encode()


def table_parquet(board: Board, selection: Selection) -> bytes:
    """The selected cases as Parquet; store, checksums and selection are in the file's metadata under `wolfspider`."""
    found = pa.Table.from_pandas(table(board, selection), preserve_index=False)
    files = (file for entry in board.manifest["tables"].values() for file in entry["files"])
    checksums = {file["name"]: file["sha256"] for file in files}
    origin = {"store": board.name, "sha256": checksums, "selection": selection.to_params()}
    buffer = io.BytesIO()
    pq.write_table(found.replace_schema_metadata({"wolfspider": json.dumps(origin)}), buffer, compression="zstd")
    return buffer.getvalue()
