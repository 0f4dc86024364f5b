"""Small tables in a paper's form, as HTML, where every text is escaped; columns that look the same on every page."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from compute.reporting.report import paper_ranks
from compute.reporting.statistics import Estimate, Summary
from compute.reporting.tabular import frame_as_csv, frame_as_latex
from compute.reporting.words import bracketed
from dashboard.text import html
from dashboard.theme import MEAN_RANK_HELP, MEASURES, colours, distinct, explainer_name

_STYLE = """<style>
.paper {border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .95rem}
.paper th, .paper td {padding: .4rem .55rem; text-align: right; white-space: nowrap; vertical-align: top}
.paper th:first-child, .paper td:first-child {text-align: left; padding-left: .2rem}
.paper thead th {font-weight: 600; border-bottom: 1px solid color-mix(in srgb, currentColor 45%, transparent)}
.paper thead th[title] {cursor: help; text-decoration: underline dotted; text-underline-offset: .25em}
.paper thead, .paper tbody:last-child {border-bottom: 1.5px solid currentColor}
.paper thead {border-top: 1.5px solid currentColor}
.paper small, .paper .dim {opacity: .68}
.paper .best {font-weight: 700}
.paper i {display: inline-block; width: .7em; height: .7em; border-radius: 50%; margin-right: .5em}
</style>"""


def mean_ranks(summary: Summary, explainers: Sequence[str]) -> str:
    """Table 1 of the paper: mean ranks with intervals, beside the paper's where they compare, and mean scores."""
    paper = paper_ranks(summary)
    ranks = {name: summary.explainers[name] for name in summary.ranked}
    ranked_by = distinct(ranks)
    head = ["<th>Explainer</th>"]
    for name in ranked_by:
        measure = MEASURES[name]
        by = measure.short if len(ranked_by) > 1 else "by either"
        head.append(_head("Mean rank", by, f"{MEAN_RANK_HELP} By the {measure.name}: {measure.formula}"))
        if paper:
            head.append(_head("Paper", "", "Table 1 of the paper: Inception v3, 112 photos, 608 cases"))
    head += [_head("Mean", m.short, m.help) for m in MEASURES.values()]
    best = {m: min((e[f"mean_rank_{m}"].mean for e in ranks.values()), default=None) for m in ranked_by}
    rows = []
    for name in sorted(set(explainers) & set(summary.explainers), key=lambda name: _place(summary.explainers[name])):
        found, cells = summary.explainers[name], [swatch(name, explainers)]
        for measure_name in ranked_by:
            cells.append(_estimate(found.get(f"mean_rank_{measure_name}"), 2, best[measure_name]))
            if paper:
                theirs = paper[name][list(MEASURES).index(measure_name)] if name in paper else None
                cells.append("<td></td>" if theirs is None else f'<td class="dim">{theirs:.2f}</td>')
        cells += [_estimate(found.get(f"mean_{m}"), 3, None) for m in MEASURES]
        rows.append("".join(cells))
    return table("".join(head), rows)


def _place(found: Mapping[str, Estimate]) -> tuple[float, float]:
    """Best rank first, then baselines by their score."""
    rank, score = found.get("mean_rank_jaccard"), found.get("mean_jaccard")
    return (rank.mean if rank else math.inf, -score.mean if score else math.inf)


def take(what: str, stem: str, csv: Callable[[], str], tex: Callable[[], str]) -> None:
    """Offer a table as CSV and as LaTeX (booktabs); either is made when it is asked for."""
    with st.container(horizontal=True):
        for form, suffix, make in (("CSV", "csv", csv), ("LaTeX", "tex", tex)):
            st.download_button(
                f"{what} as {form}", partial(_encoded, make), file_name=f"{stem}.{suffix}", on_click="ignore",
                icon=":material/download:", type="tertiary", key=f"{stem}.{suffix}",
            )  # fmt: skip


def take_frame(what: str, stem: str, frame: pd.DataFrame, caption: str) -> None:
    """Offer a frame as it is, as CSV and as LaTeX."""
    take(what, stem, partial(frame_as_csv, frame), partial(frame_as_latex, frame, caption))


def _encoded(make: Callable[[], str]) -> bytes:
    return make().encode()


def table(head: str, rows: Sequence[str]) -> str:
    """A table from header cells and rows of cells that are HTML already."""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'{_STYLE}<div style="overflow-x: auto"><table class="paper">{inner}</table></div>'


def swatch(name: str, explainers: Sequence[str]) -> str:
    """The cell of an explainer: its colour and its name."""
    return f'<td><i style="background:{colours(explainers)[name]}"></i>{html(explainer_name(name))}</td>'


def cells(values: Mapping[str, str]) -> str:
    """A row of plain text cells."""
    return "".join(f"<td>{html(value)}</td>" for value in values.values())


def _head(label: str, measure: str, title: str) -> str:
    return f'<th title="{html(title)}">{html(label)}<br>{html(measure)}</th>'


def _estimate(estimate: Estimate | None, digits: int, best: float | None) -> str:
    if estimate is None:
        return '<td class="dim">-</td>'
    kind = ' class="best"' if best is not None and estimate.mean == best else ""
    interval = bracketed(estimate.low, estimate.high, digits=digits)
    below = f"<br><small>{interval}</small>" if interval else ""
    return f"<td><span{kind}>{estimate.mean:z.{digits}f}</span>{below}</td>"


def score_bar(label: str, words: str) -> ColumnConfig:
    """A score 0..1 as a small bar with its number."""
    return st.column_config.ProgressColumn(label, help=words, format="%.3f", min_value=0.0, max_value=1.0)


def signed_score(label: str, words: str) -> ColumnConfig:
    """A difference of scores, -1..1."""
    return st.column_config.NumberColumn(label, help=words, format="%+.3f")


def percentage(label: str, words: str) -> ColumnConfig:
    """A number of percent."""
    return st.column_config.NumberColumn(label, help=words, format="%.1f %%")
