"""The board as spreadsheets and papers take it: CSV with every figure, LaTeX (booktabs) with those that matter."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from numbers import Integral, Real

import pandas as pd

from compute.reporting.statistics import Estimate
from compute.reporting.words import stated
from compute.text import visible

Board = Mapping[str, Mapping[str, Estimate]]
"""Estimates by method and measure."""
_FORMULAS = "=+-@"
"""What spreadsheets take for the beginning of a formula."""


def as_csv(board: Board, measures: Iterable[str]) -> str:
    """One row a method; of each measure its mean, the ends of its interval, and the photos behind it."""
    wanted = list(measures)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", *(f"{m}{end}" for m in wanted for end in ("", "_low", "_high", "_photos"))])
    for name, found in board.items():
        row: list[object] = [spreadsheet(name)]
        for measure in wanted:
            e = found.get(measure)
            row += [None] * 4 if e is None else [e.mean, e.low, e.high, e.photos]
        writer.writerow(row)
    return text.getvalue()


def spreadsheet(text: str) -> str:
    """A text from outside as the cell of a CSV file: never a formula."""
    shown = visible(text)
    return f"'{shown}" if shown[:1] in _FORMULAS else shown


def as_latex(board: Board, heads: Mapping[str, str], caption: str) -> str:
    """A table for a paper, with booktabs: one row a method, `mean [low, high]` of each measure.

    Args:
        board: in the order of the rows.
        heads: titles of the columns by measure; ranks have two digits, all others three.
        caption: what the table shows.
    """
    measures = [m for m in heads if any(m in found for found in board.values())]
    rows = [
        [visible(name), *(_cell(found.get(m), 2 if "rank" in m else 3) for m in measures)]
        for name, found in board.items()
    ]
    return latex(pd.DataFrame(rows, columns=["Method", *(heads[m] for m in measures)]), caption)


def frame_as_csv(frame: pd.DataFrame) -> str:
    """A frame for a spreadsheet, in which no text is a formula."""
    return frame.map(lambda value: spreadsheet(value) if isinstance(value, str) else value).to_csv(index=False)


def frame_as_latex(frame: pd.DataFrame, caption: str) -> str:
    """A frame for a paper, as `latex` writes it: real numbers have three digits, and what is missing is a dash."""
    return latex(frame.map(_plain), caption)


def _plain(value: object) -> str:
    if isinstance(value, Integral):
        return f"{value:,}"
    if isinstance(value, Real):
        return "--" if math.isnan(value) else f"{float(value):.3f}"
    return "--" if value is None else visible(str(value))


def latex(frame: pd.DataFrame, caption: str) -> str:
    """A frame of texts as a table for a paper, with booktabs; the first column is set left, all others right."""
    shown = frame.map(_escaped)
    shown.columns = pd.Index([_escaped(str(column)) for column in frame.columns])
    columns = "l" + "r" * (len(frame.columns) - 1)
    table = shown.to_latex(index=False, escape=False, column_format=columns, caption=_escaped(caption))
    return f"% needs \\usepackage{{booktabs}}\n{table}"


def _cell(estimate: Estimate | None, digits: int) -> str:
    return "--" if estimate is None else stated(estimate, digits=digits)


_SPECIAL = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
