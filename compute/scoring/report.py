"""Table 1 in the paper's form, the paper's figures beside ours, and its two questions answered."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from textwrap import shorten
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compute.scoring.statistics import MEASURES, Estimate, Summary, summarise
from compute.scoring.words import answer_r1, answer_r2, bracketed, counted, few_photos
from compute.store.opening import Store
from compute.text import visible

PAPER = {"saliency": (2.58, 2.59), "guided_backprop": (2.06, 2.03), "lime": (1.36, 1.38)}
"""Mean ranks by Jaccard index and by Hamming likeness: Table 1 of the paper (Inception v3, 608 cases)."""
_NAMED = 5
"""Failed explainers, and photos passed over, that the report for a terminal names."""


def paper_ranks(summary: Summary) -> Mapping[str, tuple[float, float]]:
    """The paper's mean ranks where they can be compared: where the ranked explainers are exactly the paper's."""
    return PAPER if set(summary.ranked) == set(PAPER) else {}


@dataclass(frozen=True)
class Report:
    """What a store says; `failures` are the rows of that table."""

    photos: int
    attempts: int
    cases: int
    explanations: int
    failures: list[dict[str, Any]]
    summary: Summary
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
            "r1": {"answer": answer_r1(self.summary), "differences": [asdict(d) for d in self.summary.against_random]},
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
        return Report(photos, attempts, cases, explanations, failures, summarise(connection), store.manifest)


def as_table(found: Report) -> RenderableType:
    """The report for a terminal. Texts from the store are never markup."""
    target, classifier = found.manifest["target"]["name"], found.manifest["classifier"]["name"]
    share = f"{found.cases / found.attempts:.0%}" if found.attempts else "none"
    head = (
        f"{classifier}, target {target}: {counted(found.photos, 'photo')}, {counted(found.attempts, 'attempt')}, "
        f"{counted(found.cases, 'case')} ({share}), {counted(found.explanations, 'explanation')} per explainer"
    )
    paper = paper_ranks(found.summary)
    title = "Mean over all case x n, 95 % interval over photos; ranks: 1 is best"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("Explainer", overflow="fold")
    ranks = [name for by in ("Jaccard", "Hamming") for name in (f"Rank by\n{by}", *["paper"] * bool(paper))]
    for name in (*ranks, "Jaccard\nindex", "Hamming\nlikeness"):
        table.add_column(name, justify="right", overflow="fold")
    for name, measures in found.summary.explainers.items():
        cells = [_cell(measures.get(m), digits=2 if "rank" in m else 3) for m in MEASURES]
        if paper:
            theirs = [f"{value:.2f}" for value in paper.get(name, ())] or ["", ""]
            cells = [cells[0], Text(theirs[0]), cells[1], Text(theirs[1]), *cells[2:]]
        table.add_row(Text(visible(name)), *cells)
    answers = [Text(visible(answer(found.summary))) for answer in (answer_r1, answer_r2)]
    lines: list[RenderableType] = [Text(visible(head)), table, "", *answers]
    if paper:
        lines.append(Text("Paper: Inception v3, 112 photos, 608 cases, 12,160 explanations per explainer.", "dim"))
    notes = [few_photos(found.summary.photos) if found.cases else "", *failed(found.failures)]
    return Group(*lines, *[Text(visible(note), "yellow") for note in notes if note])


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
