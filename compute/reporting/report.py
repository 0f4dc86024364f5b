"""Table 1 in the paper's form, the paper's figures beside ours, and its two questions answered."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from textwrap import shorten
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compute.reporting.comparison import Comparison, in_words
from compute.reporting.comparison import board as compare_methods
from compute.reporting.statistics import (
    MEASURES,
    Estimate,
    Spread,
    Summary,
    beyond_counts,
    spread_over_seeds,
    summarise,
)
from compute.reporting.tabular import as_csv, as_latex
from compute.reporting.words import answer_r1, answer_r2, bracketed, counted, few_photos
from compute.store.opening import Store
from compute.text import visible

PAPER = {"saliency": (2.58, 2.59), "guided_backprop": (2.06, 2.03), "lime": (1.36, 1.38)}
"""Mean ranks by Jaccard index and by Hamming likeness: Table 1 of the paper (Inception v3, 608 cases)."""
_HEADS = dict(
    zip(MEASURES, ("Rank by\nJaccard", "Rank by\nHamming", "Jaccard\nindex", "Hamming\nlikeness"), strict=True)
)
_HEADS |= {"specificity_class": "minus own\nclass's"}
_HEADS |= {"restored": "attacks\nundone"}
_OF_THE_BOARD = ("mean_rank_jaccard", "mean_jaccard", "specificity_class", "restored")
_BOARD = {"mean_rank_jaccard": "mean_rank", "mean_jaccard": "jaccard", "mean_hamming": "hamming"}
_BOARD |= {m: m for m in ("jaccard_at_region", "rank_accuracy", "chance_corrected", "auroc", "average_precision")}
_BOARD |= {m: m for m in ("pointing", "mass", "restored")}
_BOARD |= {m: m for m in ("specificity_class", "specificity_photo", "clean_correlation")}
_NAMED = 5
"""Failed explainers, and photos passed over, that the report for a terminal names."""


def paper_ranks(summary: Summary) -> Mapping[str, tuple[float, float]]:
    """The paper's mean ranks where they can be compared: where the ranked explainers are exactly the paper's."""
    return PAPER if set(summary.ranked) == set(PAPER) else {}


@dataclass(frozen=True)
class Report:
    """What a store says; `failures` are the rows of that table, `board` all measures by method, best first."""

    photos: int
    attempts: int
    cases: int
    explanations: int
    failures: list[dict[str, Any]]
    summary: Summary
    board: dict[str, dict[str, Estimate]]
    spread: dict[str, Spread]
    comparison: Comparison | None
    manifest: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Plain values: counts, and for every explainer and measure its mean and interval."""
        return {
            "photos": self.photos,
            "attempts": self.attempts,
            "cases": self.cases,
            "explanations": self.explanations,
            "failures": self.failures,
            "classifier": self.manifest["classifier"]["name"],
            "explainers": {n: {m: asdict(e) for m, e in found.items()} for n, found in self.summary.explainers.items()},
            "table1": {n: {m: asdict(e) for m, e in found.items()} for n, found in self.summary.paper.items()},
            "board": {
                name: {short: asdict(found[m]) for m, short in _BOARD.items() if m in found}
                for name, found in self.board.items()
            },
            "seeds": {name: asdict(found) for name, found in self.spread.items()},
            "friedman": self.comparison and self.comparison.friedman,
            "pairs": self.comparison.as_json() if self.comparison else [],
            "r1": {
                "answer": answer_r1(self.summary),
                "differences": [asdict(d) for d in self.summary.against_random],
                "best_baseline": [asdict(d) for d in self.summary.against_best],
            },
            "r2": {"answer": answer_r2(self.summary), "differences": [asdict(d) for d in self.summary.between]},
        }


def report(store: Store) -> Report:
    """Read the figures of a store; `explanations` counts (case, n) per ranked explainer, as the paper's 12,160 do."""
    with store.connect() as connection:
        counts = connection.execute(
            """select (select count(*) from photos), (select count(*) from attempts), (select count(*) from cases),
                      (select coalesce(max(e), 0) from (select count(*) as e from scores group by explainer))"""
        ).fetchone()
        assert counts is not None
        photos, attempts, cases, explanations = counts
        columns = ("stage", "photo", "case_id", "explainer", "reason")
        rows = connection.execute(f"select {', '.join(columns)} from failures order by all").fetchall()
        failures = [dict(zip(columns, row, strict=True)) for row in rows]
        comparison = compare_methods(connection) if explanations else None
        summary = summarise(connection)
        board = _board(summary, beyond_counts(connection))
        spread = spread_over_seeds(connection)
        counted_up = (photos, attempts, cases, explanations)
        return Report(*counted_up, failures, summary, board, spread, comparison, store.manifest)


def as_table(found: Report) -> RenderableType:
    """The report for a terminal. Texts from the store are never markup."""
    target, classifier = found.manifest["target"]["name"], found.manifest["classifier"]["name"]
    share = f"{found.cases / found.attempts:.0%}" if found.attempts else "none"
    head = (
        f"{classifier}, target {target}: {counted(found.photos, 'photo')}, {counted(found.attempts, 'attempt')}, "
        f"{counted(found.cases, 'case')} ({share}), {counted(found.explanations, 'explanation')} per explainer"
    )
    summary = found.summary
    lines: list[RenderableType] = [Text(visible(head))]
    if paper_ranks(summary):
        lines.append(_table("Table 1", summary.explainers, MEASURES, PAPER))
    elif summary.paper:
        lines.append(_table("Table 1, the paper's three among themselves", summary.paper, MEASURES, PAPER))
    lines.append(_table("All methods, best first", found.board, _OF_THE_BOARD, {}))
    lines += ["", *[Text(visible(answer(summary))) for answer in (answer_r1, answer_r2)]]
    if found.comparison is not None and len(summary.ranked) > len(PAPER):
        lines += [Text(visible(line)) for line in in_words(found.comparison)]
    if found.spread:
        lines.append(Text(visible(_over_seeds(found.spread))))
    if summary.paper:
        lines.append(Text("Paper: Inception v3, 112 photos, 608 cases, 12,160 explanations per explainer.", "dim"))
    notes = [few_photos(summary.photos) if found.cases else "", *failed(found.failures)]
    return Group(*lines, *[Text(visible(note), "yellow") for note in notes if note])


def _table(
    title: str,
    rows: Mapping[str, Mapping[str, Estimate]],
    wanted: Sequence[str],
    paper: Mapping[str, Sequence[float]],
) -> Table:
    """Explainers and their measures, with the paper's ranks beside ours where they are given."""
    title = f"{title}. Means with 95 % intervals over photos; ranks: 1 is best"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    measures = [m for m in wanted if any(m in found for found in rows.values())]
    table.add_column("Explainer", overflow="fold")
    for measure in measures:
        table.add_column(_HEADS[measure], justify="right", overflow="fold")
        if paper and "rank" in measure:
            table.add_column("paper", justify="right", overflow="fold")
    for name, found in rows.items():
        cells = [Text(visible(name))]
        for measure in measures:
            cells.append(_cell(found.get(measure), digits=2 if "rank" in measure else 3))
            if paper and "rank" in measure:
                theirs = paper.get(name)
                cells.append(Text(f"{theirs[measure.endswith('hamming')]:.2f}" if theirs else ""))
        table.add_row(*cells)
    return table


def _board(summary: Summary, more: Mapping[str, dict[str, Estimate]]) -> dict[str, dict[str, Estimate]]:
    """All measures: of ranked explainers by mean rank, then of baselines by mean Jaccard index."""
    rows = [(name, found | more[name]) for name, found in summary.explainers.items() if found]

    def place(row: tuple[str, dict[str, Estimate]]) -> tuple[float, float]:
        rank = row[1].get("mean_rank_jaccard")
        return (rank.mean if rank else math.inf, -row[1]["mean_jaccard"].mean)

    return dict(sorted(rows, key=place))


def board_as_csv(found: Report) -> str:
    """The board with all its measures."""
    return as_csv(_renamed(found.board), _BOARD.values())


def board_as_latex(found: Report) -> str:
    """The board, with the measures that the terminal shows."""
    heads = {_BOARD[m]: _HEADS[m].replace("\n", " ") for m in _OF_THE_BOARD}
    classifier, photos = found.manifest["classifier"]["name"], found.summary.photos
    about = f"{classifier}, {counted(found.cases, 'case')} of {counted(photos, 'photo')}"
    return as_latex(
        _renamed(found.board), heads, f"{about}; means with 95 % intervals over photos, 1 is the best rank."
    )


def _renamed(board: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Estimate]]:
    return {name: {_BOARD[m]: e for m, e in found.items() if m in _BOARD} for name, found in board.items()}


def _over_seeds(spread: Mapping[str, Spread]) -> str:
    """How much scores depend on the seed, in a sentence."""
    name = "lime" if "lime" in spread else max(spread, key=lambda n: spread[n].case_sd)
    found = spread[name]
    best = f", and {found.overlap5:.0%} of its five best superpixels are the same" if found.overlap5 is not None else ""
    return (
        f"Over {found.seeds} seeds the mean Jaccard index of {name} has a standard deviation of {found.sd:.4f}, "
        f"that of a case {found.case_sd:.3f}{best}."
    )


def failed(failures: Iterable[Mapping[str, Any]]) -> list[str]:
    """Explainers that failed and photos that were passed over, with their reasons: a line each, then a count."""
    reasons = [(f["explainer"], f["photo"], shorten(f["reason"], 200, placeholder=" ...")) for f in failures]
    explainers = Counter((explainer, reason) for explainer, _, reason in reasons if explainer)
    photos = [f"{photo} was passed over: {reason}" for explainer, photo, reason in reasons if not explainer]
    return [
        *_first([f"{name} failed on {counted(n, 'case')}: {reason}" for (name, reason), n in explainers.most_common()]),
        *_first(photos),
    ]


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - _NAMED
    return lines[:_NAMED] + ([f"... and {more} more: see `wolfspider show`"] if more > 0 else [])


def _cell(estimate: Estimate | None, *, digits: int) -> Text:
    if estimate is None:
        return Text("-")
    interval = bracketed(estimate.low, estimate.high)
    return Text.assemble(f"{estimate.mean:z.{digits}f}", (f"\n{interval}" if interval else "", "dim"))
