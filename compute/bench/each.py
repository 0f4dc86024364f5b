"""Explainer by explainer: the seconds that a case takes over those that its passes take at the network's limit."""

from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from compute.bench import ours
from compute.bench.limit import limit
from compute.errors import InputError, in_words
from compute.explainers import Explainer
from compute.inputs import photos
from compute.networks import classifiers, engine
from compute.networks.engine import Engine
from compute.scoring.presentations import methods
from compute.sweep.asking import Asking, Case, Prepare, Prepared, Question, prepared
from compute.sweep.config import Config
from compute.sweep.turns import Turns
from compute.text import visible

CASES = 3
"""Cases that every explainer explains."""
PREPARED = "superpixels, once for all"
"""The row of what several explainers want to know of an image."""
TARGET = 1.15
"""A case explained by all of them together is to take at most so many times what its passes take at the limit."""


def each(config: Config, *, say: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """A row an explainer: its passes for a case, those with gradients, seconds, those at the limit, and their ratio.

    The first row is what is prepared for them, as in a sweep once a case; the last one is the sum. The limit is
    measured before each explainer; what fails has its reason instead of figures.

    Raises:
        InputError: no attack succeeded, so that there is nothing to explain.
    """
    engine.tune()
    device = engine.device_of(config.device)
    sources, _ = photos.find(config.photos)
    classifier = classifiers.load(config.classifier, weights=config.weights, device=device)
    explainers = list({m.explainer.name: m.explainer for m in methods(config.explainers)}.values())
    say("making the engine")
    name = config.engine if config.engine != "auto" else engine.FASTER[device.type][0]
    chosen, probabilities = engine.ready(classifier, Engine(name, config.precision, config.batch), passes=0)
    config = config.but(engine=chosen.name, batch=chosen.batch, causal="none", controls="none")
    say("attacking")
    cases = ours.sweep(config.but(explainers=("random",)), classifier, sources[:CASES]).cases[:CASES]
    if not cases:
        raise InputError(
            f"bench --classifier {config.classifier}: no attack succeeded; give more --photos or --regions"
        )
    asking = Asking(classifier.network, probabilities, chosen.batch, config.lime_samples, config.seed, Turns())
    best = limit(classifier, config, 1)
    known = [prepared(case.rgb, {e.prepare for e in explainers if e.prepare}) for case in cases]
    once = sum(p.seconds for found in known for p in found.values()) / len(cases)
    known = [{kind: p._replace(seconds=0.0) for kind, p in found.items()} for found in known]
    rows: list[dict[str, Any]] = [
        {"explainer": PREPARED, "passes": 0, "gradients": 0, "seconds": once, "at_limit_s": 0.0, "ratio": None}
    ]
    for explainer in explainers:
        say(explainer.name)
        rates = best.now()
        try:
            passes, gradients, seconds = _asked(asking, explainer, list(zip(cases, known, strict=True)))
        except Exception as error:
            rows.append({"explainer": explainer.name, "reason": in_words(error)})
            continue
        at_limit = (passes - gradients) / rates.forward + gradients / rates.backward
        figures = {"passes": passes, "gradients": gradients, "seconds": seconds, "at_limit_s": at_limit}
        rows.append({"explainer": explainer.name, **figures, "ratio": seconds / at_limit if at_limit else None})
    told = [rows[0], *(row for row in rows if row.get("at_limit_s"))]
    if len(told) > 1:
        sums = {key: sum(row[key] for row in told) for key in ("passes", "gradients", "seconds", "at_limit_s")}
        rows.append({"explainer": "all that pass", **sums, "ratio": sums["seconds"] / sums["at_limit_s"]})
    return rows


def _asked(
    asking: Asking, explainer: Explainer, cases: list[tuple[Case, dict[Prepare, Prepared]]]
) -> tuple[float, float, float]:
    """Means over the cases: passes, those with gradients, seconds. A first case that is not counted warms up."""
    totals = [0.0, 0.0, 0.0]
    for i, (case, known) in enumerate([cases[0], *cases]):
        question = Question(case.rgb, case.photo, case.target, case.case_id, known, region=case.region)
        answer = asking.ask(explainer, question)
        if i:
            totals = [a + b for a, b in zip(totals, (answer.passes, answer.gradients, answer.seconds), strict=True)]
    passes, gradients, seconds = (total / len(cases) for total in totals)
    return passes, gradients, seconds


def as_table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a terminal."""
    table = Table(
        box=SIMPLE_HEAD,
        pad_edge=False,
        title=f"Seconds a case; the sum is to stay below {TARGET}",
        title_justify="left",
    )
    for head in ("Explainer", "Images", "with gradients", "Seconds", "At the limit", "Ratio"):
        table.add_column(head, justify="left" if head == "Explainer" else "right")
    for row in rows:
        name = visible(row["explainer"])
        if "reason" in row:
            table.add_row(name, visible(row["reason"]))
            continue
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        figures = (
            f"{row['passes']:,.0f}",
            f"{row['gradients']:,.0f}",
            f"{row['seconds']:.3f}",
            f"{row['at_limit_s']:.3f}",
        )
        table.add_row(name, *figures, ratio)
    return table
