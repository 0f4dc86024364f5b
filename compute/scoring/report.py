"""Table 1 in the paper's form, the paper's figures beside ours, and its two questions answered."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compute.scoring.statistics import FEW_PHOTOS, MEASURES, Estimate, Summary, answer_r1, answer_r2, summarise
from compute.store.opening import Store
from compute.text import visible

PAPER = {"saliency": (2.58, 2.59), "guided_backprop": (2.06, 2.03), "lime": (1.36, 1.38)}
"""Mean ranks by Jaccard index and by Hamming likeness: Table 1 of the paper (Inception v3, 608 cases)."""


@dataclass(frozen=True)
class Report:
    """What a store says."""

    photos: int
    attempts: int
    cases: int
    explanations: int
    failures: int
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
                      (select coalesce(max(e), 0) from (select count(*) as e from scores group by explainer)),
                      (select count(*) from failures)"""
        ).fetchone()
        assert counts is not None
        photos, attempts, cases, explanations, failures = counts
        summary = summarise(connection)
        return Report(photos, attempts, cases, explanations, failures, summary, store.manifest)


def as_table(found: Report) -> RenderableType:
    """The report for a terminal."""
    target, classifier = found.manifest["target"]["name"], found.manifest["classifier"]["name"]
    share = f"{found.cases / found.attempts:.0%}" if found.attempts else "none"
    head = (
        f"{classifier}, target {target}: {found.photos} photos, {found.attempts} attempts, {found.cases} cases "
        f"({share}), {found.explanations:,} explanations per explainer"
    )
    title = "Mean over all case x n, 95 % interval over photos; ranks: 1 is best"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("Explainer", no_wrap=True, min_width=15)
    for name in ("Rank by\nJaccard", "paper", "Rank by\nHamming", "paper", "Jaccard\nindex", "Hamming\nlikeness"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, measures in found.summary.explainers.items():
        ours = [_cell(measures.get(m), digits=2 if "rank" in m else 3) for m in MEASURES]
        paper = [f"{value:.2f}" for value in PAPER[name]] if name in PAPER else ["", ""]
        table.add_row(visible(name), ours[0], paper[0], ours[1], paper[1], ours[2], ours[3])
    lines: list[RenderableType] = [Text(visible(head)), table]
    lines += [Text(visible(answer(found.summary))) for answer in (answer_r1, answer_r2)]
    lines.append(Text("Paper: Inception v3, 112 photos, 608 cases, 12,160 explanations per explainer.", style="dim"))
    if found.summary.photos < FEW_PHOTOS:
        note = (
            f"Only {found.summary.photos} photos have cases: intervals from so few are rough and tend to be too narrow."
        )
        lines.append(Text(note, style="yellow"))
    if found.failures:
        lines.append(Text(f"{found.failures} failures or skipped photos: see `wolfspider show`.", style="yellow"))
    return Group(*lines)


def _cell(estimate: Estimate | None, *, digits: int) -> Text:
    if estimate is None:
        return Text("-")
    if estimate.low is None or estimate.high is None:
        return Text(f"{estimate.mean:.{digits}f}")
    return Text.assemble(f"{estimate.mean:.{digits}f}\n", (f"{estimate.low:.2f}-{estimate.high:.2f}", "dim"))
