"""The benchmark's figures for a terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compute.text import visible


def as_table(found: dict[str, Any]) -> RenderableType:
    """Two tables: the ratios, and where a sweep's seconds go."""
    samples = f"{found['lime_samples']} LIME samples"
    head = (
        f"{found['classifier']} on {found['device']}: {found['engine']}, {found['precision']}, batch {found['batch']}, "
        f"{samples}; {found['attempts']} attempts, {found['cases']} cases; medians of {found['rounds']} rounds"
    )
    ratios = _table(
        ("Measure", "Value", ""),
        [
            ("the limit, images/s", f"{found['limit_images_per_s']:.1f}", found["limit_at"]),
            ("", f"{found['limit_backward_images_per_s']:.1f}", found["limit_backward_at"]),
            ("LIME over the limit", f"{found['lime_over_limit']:.3f}", f"{found['lime_samples_per_s']:.1f} samples/s"),
            (
                "attack over the limit",
                f"{found['attack_over_limit']:.3f}",
                f"{found['attack_steps_per_s']:.1f} steps/s",
            ),
            ("whole sweep's efficiency", f"{found['sweep_efficiency']:.3f}", f"{found['sweep_s']:.1f} s"),
            (
                "faster than the user's own loop",
                f"{found['speedup_over_loop']:.2f}x",
                f"{found['loop_s']:.1f} s: {_seconds(found['loop_stages_s'])}",
            ),
            ("same superpixels as lime's", "yes" if found["same_superpixels"] else "no", "top 20, same draws"),
        ],
    )
    stages, at_limit = found["sweep_stages_s"], found["sweep_stages_at_limit_s"]
    rows = [(k, f"{v:.2f}", f"{at_limit[k]:.2f}" if k in at_limit else "") for k, v in stages.items()]
    rest = found["sweep_s"] - sum(stages.values())
    rows += [("waiting and storing", f"{rest:.2f}", "")] if rest > 0 else []
    where = _table(("A sweep's stages", "Seconds", "At the limit"), rows)
    foot = (
        f"One LIME case alone, seconds: {_seconds(found['lime_stages_s'])}.\n"
        f"The guard around an explainer from outside: {found['guard_s'] * 1000:.1f} ms a case.\n"
        f"Making the engine, apart: {found['warm_up_s']:.1f} s."
    )
    return Group(Text(visible(head)), ratios, where, Text(foot))


def _table(columns: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, justify in zip(columns, ("left", "right", "left"), strict=True):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(visible, row))
    return table


def _seconds(stages: dict[str, float]) -> str:
    return ", ".join(f"{stage} {seconds:.3g}" for stage, seconds in stages.items())
