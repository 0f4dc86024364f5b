"""The board as CSV and LaTeX."""

import csv
import io

import numpy as np
import pandas as pd

from compute.reporting.statistics import Estimate
from compute.reporting.tabular import as_csv, as_latex, frame_as_csv, frame_as_latex

BOARD = {
    "lime@clean": {"mean_rank": Estimate(1.25, 1.1, 1.4, 20), "jaccard": Estimate(-0.0001, None, None, 2)},
    "=cmd|x_%&\\": {"jaccard": Estimate(0.5, 0.25, 0.75, 20)},
}


def test_csv_holds_every_figure_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(BOARD, ["mean_rank", "jaccard"]))))
    assert [row["method"] for row in rows] == ["lime@clean", "'=cmd|x_%&\\"]
    assert float(rows[0]["mean_rank_low"]) == 1.1
    assert rows[0]["jaccard_low"] == rows[1]["mean_rank"] == ""
    assert rows[1]["jaccard_photos"] == "20"


def test_latex_is_a_table_with_escaped_names() -> None:
    text = as_latex(BOARD, {"mean_rank": "Rank", "jaccard": "J_n", "auroc": "AUROC"}, "50 % of them")
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", "lrr", r"50 \% of them"))
    assert r"lime@clean & 1.25 [1.10, 1.40] & 0.000 \\" in text
    assert r"=cmd|x\_\%\&\textbackslash{} & -- & 0.500 [0.250, 0.750] \\" in text
    assert "AUROC" not in text


def test_any_frame_is_a_table() -> None:
    frame = pd.DataFrame({"name": ["=1+1", "a_b"], "n": [1000, 2], "score": np.array([0.5, np.nan], np.float32)})
    assert frame_as_csv(frame) == "name,n,score\n'=1+1,1000,0.5\na_b,2,\n"
    text = frame_as_latex(frame, "A table")
    assert r"=1+1 & 1,000 & 0.500 \\" in text and r"a\_b & 2 & -- \\" in text
