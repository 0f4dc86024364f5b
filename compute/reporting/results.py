"""What published stores say, as Markdown: `python -m compute.reporting.results data/published`.

`data/published/README.md` is its output, and the tests hold both together.
"""

import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from compute.reporting.report import PAPER, Report, report
from compute.reporting.statistics import Difference, Estimate, differences_to
from compute.reporting.words import stated, sure
from compute.store.opening import Store, open_store
from compute.sweep.config import ATTACKS, PROFILES, configure, option

HEAD = """# Published stores

The paper's experiment and the board on real networks, as stores without images, since the photos are not ours to pass
on. `wolfspider report data/published/NAME` prints a store's tables, `wolfspider show data/published/NAME --verify` what
it holds and whether it is whole, `wolfspider dashboard data/published` opens them all. The photos are the first by name
of a collection of free ones; `photos.parquet` has the SHA-256 of each. Means stand with 95 % intervals over photos.
This page is printed by `python -m compute.reporting.results data/published`, and the tests hold it to the stores."""


def results(root: Path) -> str:
    """The page about all stores in a folder, in the order of their names.

    Raises:
        InputError: one of them cannot be opened.
    """
    stores = {folder.name: open_store(folder) for folder in sorted(root.iterdir()) if folder.is_dir()}
    reports = {name: report(store) for name, store in stores.items()}
    sections = [HEAD, _runs(stores, reports), _table1(reports), _attacks(stores, reports)]
    sections += [_board(name, stores[name], found) for name, found in reports.items() if len(found.summary.ranked) > 3]
    return "\n\n".join(sections) + "\n"


def command(manifest: Mapping[str, Any]) -> str:
    """The shortest command that makes such a store: a profile, an attack, and what differs from these."""
    config = {k: tuple(v) if isinstance(v, list) else v for k, v in manifest["config"].items()}
    chosen = {"batch", "engine", "group"}  # by the kind of device, where they are not given

    def more(names: tuple[str | None, str | None]) -> list[str]:
        usual = configure(profile=names[0], attack=names[1]).science()
        return [name for name, value in config.items() if name in usual and name not in chosen and usual[name] != value]

    profile, attack = min(product((*PROFILES, None), (None, *ATTACKS)), key=lambda names: len(more(names)))
    words = ["wolfspider", "sweep", *(["--profile", profile] if profile else [])]
    words += ["--attack", attack] if attack else []
    for name in more((profile, attack)):
        value = config[name]
        words += [option(name), ",".join(value) if isinstance(value, tuple) else str(value)]
    given = manifest["given"]
    for name in ("weights", "keep"):
        words += [option(name), given[name]] if given.get(name) not in (None, "images") else []
    return shlex.join([*words, "--photos", "PHOTOS", "--out", "STORE"])


def _runs(stores: Mapping[str, Store], reports: Mapping[str, Report]) -> str:
    rows = []
    for name, found in reports.items():
        manifest = stores[name].manifest
        hours = sum(manifest["seconds"].values()) / 3600
        counts = (found.photos, found.attempts, found.cases, len(found.board))
        rows.append([name, manifest["classifier"]["name"], *map(str, counts), f"{hours:.1f}", manifest["created"][:10]])
    heads = ("store", "network", "photos", "attempts", "cases", "methods", "hours", "made")
    lines = [f"- `{name}`: `{command(stores[name].manifest)}`" for name in reports]
    for name, store in stores.items():
        stages = sorted(store.manifest["seconds"].items(), key=lambda stage: -stage[1])[:6]
        lines.append(f"- seconds of `{name}`: {', '.join(f'{stage} {seconds:,.0f}' for stage, seconds in stages)}")
    lines += ["", "Hours are those of all stages together, on one core of a shared machine; they are no benchmark."]
    weights = {s.manifest["classifier"]["name"]: s.manifest["classifier"]["weights_sha256"] for s in stores.values()}
    lines += ["", *(f"- weights of {network}: SHA-256 `{digest}`" for network, digest in weights.items())]
    return "\n".join(["## Runs", "", *_table(heads, rows), "", *lines])


def _table1(reports: Mapping[str, Report]) -> str:
    heads = ("mean rank by Jaccard index", *PAPER, "photos", "cases")
    rows = [["the paper: Inception v3", *(f"{ranks[0]:.2f}" for ranks in PAPER.values()), "112", "608"]]
    for name, found in reports.items():
        if ranks := found.summary.paper:
            cells = [_cell(ranks[explainer]["mean_rank_jaccard"], 2) for explainer in PAPER]
            rows.append([name, *cells, str(found.summary.photos), str(found.cases)])
    return "\n".join(["## Table 1: the paper's three among themselves", "", *_table(heads, rows)])


_ATTACK = """select count(*), count(*) filter (success), median(linf) filter (success), median(l2) filter (success),
median(target_confidence) filter (success), avg(sufficiency_mean), median(visibility), sum(iterations) from attempts"""


def _attacks(stores: Mapping[str, Store], reports: Mapping[str, Report]) -> str:
    heads = ["of cases", "fell", "largest change, 1/255", "L2 of the change", "target's probability"]
    heads += ["target's probability, all but the region hidden", "texture's AUROC", "steps in all"]
    rows = []
    for name in reports:
        with stores[name].connect() as connection:
            found = connection.execute(_ATTACK).fetchone()
        assert found is not None
        attempts, fell, linf, l2, target, alone, seen, steps = found
        rows.append(
            [name, f"{fell} of {attempts}", f"{linf:.0f}", f"{l2:.1f}", f"{target:.2f}", f"{alone:.2f}", f"{seen:.3f}",
             f"{steps:,}"]
        )  # fmt: skip
    words = "Medians over cases; the mean of the target's probability where all outside the region has its mean colour."
    return "\n".join(["## Attacks", "", words, "", *_table(heads, rows)])


_COST = """select explainer, avg(passes) as passes, median(seconds) as seconds from explanations group by all"""


def _board(name: str, store: Store, found: Report) -> str:
    """All methods of a store, with all that a board compares."""
    baselines = [d.second for d in found.summary.against_best]
    rivals = ["lime", *(dict.fromkeys(baselines) or ["random"])]
    with store.connect() as connection:
        apart = {rival: {d.first: d for d in differences_to(connection, rival)} for rival in rivals}
        cost = {who: (passes, seconds) for who, passes, seconds in connection.execute(_COST).fetchall()}
    heads = ["method", "mean rank", "mean Jaccard index", *(f"minus {rival}" for rival in rivals)]
    heads += ["minus own class's", "minus unattacked photo's", "share undone by P_1"]
    heads += ["images", "seconds", "SD over seeds"]
    rows = []
    for method, measures in found.board.items():
        spread, (passes, seconds) = found.spread.get(method), cost[method]
        cells = [_cell(measures.get("mean_rank_jaccard"), 2), _cell(measures.get("mean_jaccard"), 3)]
        cells += [_difference(apart[rival].get(method)) for rival in rivals]
        cells += [_cell(measures.get(m), 3) for m in ("specificity_class", "specificity_photo")]
        cells += [_cell(measures.get("restored"), 2), f"{passes:,.0f}", f"{seconds:.2f}"]
        rows.append([method, *cells, f"{spread.case_sd:.3f}" if spread else ""])
    words = "P-values are Holm's over the methods of a column. SD over seeds: of a case's mean Jaccard index."
    return "\n".join([f"## {name}", "", words, "", *_table(heads, rows)])


def _difference(found: Difference | None) -> str:
    return "" if found is None else f"{_cell(found.estimate, 3, sign=True)} {sure(found.p)}".strip()


def _cell(estimate: Estimate | None, digits: int, *, sign: bool = False) -> str:
    return "" if estimate is None else stated(estimate, digits=digits, sign=sign)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows)]


if __name__ == "__main__":
    print(results(Path(sys.argv[1])), end="")
