"""The `wolfspider` command."""

import json
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from compute.errors import InputError, Notice
from compute.options import takes
from compute.reporting.words import aim
from compute.store.opening import NOT_DERIVED, Store, open_store
from compute.store.places.place import place
from compute.sweep.config import ATTACK, ATTACKS, PROFILES, RUN, Config, configure
from compute.text import visible

app = typer.Typer(
    name="wolfspider",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Ground truth for explainers: attack one region of a photo until the network sees a wolf spider, "
    "then check which explainer points at that region.",
    epilog="Begin with [bold]wolfspider sweep --profile quick[/], then [bold]wolfspider report data/store[/].",
)
out, err = (Console(stderr=stderr, markup=False, emoji=False, highlight=False) for stderr in (False, True))

StoreArgument = Annotated[str, typer.Argument(help="Folder or URL of a published store.", show_default=False)]


@app.command()
@takes(list(Config.model_fields))
def sweep(
    options: dict[str, Any],
    more_photos: Annotated[
        list[str] | None,
        typer.Argument(metavar="PHOTOS", help="Photos and folders, as with --photos.", show_default=False),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help=f"Sizes of the experiment: {', '.join(PROFILES)}.", rich_help_panel=RUN)
    ] = None,
    attack: Annotated[
        str | None,
        typer.Option(
            help=f"Settings of the attack: {', '.join(ATTACKS)} (default: confident).", rich_help_panel=ATTACK
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of any of these options, a line each: regions = 4.", rich_help_panel=RUN),
    ] = None,
    shard: Annotated[
        str, typer.Option(help="i/n: only the i-th of n shares; join them with publish.", rich_help_panel=RUN)
    ] = "1/1",
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            help="Processes that share the work, by Ray: each has a GPU, or its share of the cores; 0 is this process "
            "alone. Of a cluster, at most so many.",
            rich_help_panel=RUN,
        ),
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|auto", help="A cluster of Ray's: a worker a GPU, or every four cores.", rich_help_panel=RUN
        ),
    ] = None,
) -> None:
    """Photos in, store out: segment, attack, explain and score. An interrupted sweep goes on where it stopped."""
    paths = [*options.get("photos", []), *(more_photos or [])]
    options = options | ({"photos": paths} if paths else {})
    configuration = configure(profile=profile, attack=attack, file=config, options=options)
    share = _shard(shard)
    from compute.sweep.sweep import run_sweep

    with _bars() as advance:
        store = run_sweep(configuration, shard=share, workers=workers, ray=ray, progress=advance)
    if store is None:
        join = f"wolfspider publish {shlex.quote(configuration.out)}"
        out.print(visible(f"Shard {shard} is done; when all are: {join}"), soft_wrap=True)
    else:
        _print_report(store)


@app.command()
def publish(folder: Annotated[str, typer.Argument(help="--out of the sweep.", show_default=False)]) -> None:
    """Join the finished shards of a sweep into its store."""
    from compute.sweep.run import publish as join

    _print_report(join(folder))


@app.command()
def report(
    store: StoreArgument,
    json_: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="The board with all its measures, as CSV.")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="The board as a table for a paper (booktabs).")] = False,
) -> None:
    """Table 1 of the paper and the board from a store: ranks, scores, intervals, and the answers to R1 and R2."""
    from compute.reporting.report import board_as_csv, board_as_latex
    from compute.reporting.report import report as figures

    if json_ + csv + latex > 1:
        raise InputError("--json, --csv, --latex: give one of them")
    opened = open_store(store)
    if json_:
        typer.echo(json.dumps(figures(opened).as_json(), indent=1))
    elif csv or latex:
        typer.echo((board_as_csv if csv else board_as_latex)(figures(opened)), nl=False)
    else:
        _print_report(opened)


@app.command()
def show(
    store: StoreArgument,
    verify: Annotated[
        bool, typer.Option(help="Recompute all checksums, and the tables that follow from others.")
    ] = False,
) -> None:
    """What is in a store: counts, configuration, versions, time per stage, failures with their reasons."""
    opened = open_store(store)
    if verify and (damaged := opened.damaged()):
        raise InputError(f"{store}: damaged tables: {', '.join(damaged)}")
    manifest = opened.manifest
    sections: dict[str, dict[str, Any]] = {
        "Rows": {table: f"{entry['rows']:,}" for table, entry in manifest["tables"].items()},
        "Run": {k: manifest[k] for k in ("created", "config_hash", "sizes")},
        "Classifier": manifest["classifier"] | {"target": aim(manifest["target"])},
        "Configuration": manifest["config"],
        "Device": manifest["device"],
        "Versions": manifest["environment"],
        "Seconds by stage": manifest["seconds"],
    }
    for title, values in sections.items():
        table = Table(title=title, show_header=False, title_justify="left", box=None, padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in values.items():
            text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
            table.add_row(visible(name), visible(text))
        out.print(table)
    with opened.connect() as connection:
        failures = connection.execute("from failures order by all").fetchall()
    table = Table(title=f"Failures and skipped photos: {len(failures)}", title_justify="left")
    for column in ("Stage", "Photo", "Case", "Explainer", "Reason"):
        table.add_column(column)
    for row in failures:
        table.add_row(*["" if value is None else visible(value) for value in row])
    out.print(table if failures else "No failures, no skipped photos.")
    if verify:
        out.print("All checksums match." + (f" {NOT_DERIVED}" if opened.large else ""))


@app.command()
def dashboard(
    path: Annotated[str, typer.Argument(help="A store, or a folder or bucket of stores; also a URL.")] = "data",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port, or the next free one.")] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine alone, 0.0.0.0 all that reach it.")
    ] = "127.0.0.1",
    base_path: Annotated[str, typer.Option(help="Path below which the pages lie, as behind a reverse proxy.")] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name under which the dashboard answers, again and again; '*' is any. Addresses, localhost and "
            "--host always do, and this machine's name where it listens to others."
        ),
    ] = None,
) -> None:
    """Browse stores: who wins and how surely, where each explainer fails, and what a failure looks like."""
    from dashboard.launch import launch

    hosts = allow_host or ()
    raise typer.Exit(launch(place(path), port=port, host=host, base_path=base_path, allowed_hosts=hosts))


@app.command()
def pack(
    store: StoreArgument,
    out_: Annotated[str, typer.Argument(metavar="OUT", help="Folder or URL of the copy.", show_default=False)],
    images: Annotated[
        bool, typer.Option(help="Whether the copy has the pictures; leave them out where photos may not be passed on.")
    ] = True,
) -> None:
    """A verified copy of a store, to publish: on a web server that knows ranges, in a bucket, or as a folder."""
    from compute.store.places.packing import pack as copy

    packed = copy(open_store(store), out_, images=images)
    out.print(visible(f"Store: {packed.path}"), soft_wrap=True)


_BENCH = (
    "photos",
    "classifier",
    "weights",
    "explainers",
    "regions",
    "lime_samples",
    "batch",
    "engine",
    "precision",
    "device",
)


@app.command()
@takes(_BENCH, regions=2)
def bench(
    options: dict[str, Any],
    untrained: Annotated[bool, typer.Option(help="Random weights, for architectures without weights here.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="Interleaved repetitions; medians are reported.")] = 3,
    workers: Annotated[
        int,
        typer.Option(min=0, help="So many of Ray's workers beside one process on the same cores, and nothing else."),
    ] = 0,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """How near the network's own speed everything runs on this machine, and how much faster than the obvious loop.

    With --explainers: each of them, alone, over what its passes take at the limit.
    """
    from compute.bench import bench as measure
    from compute.bench import each
    from compute.bench import workers as beside
    from compute.bench.table import as_table

    config = configure(options={"regions": 2, **options})
    if workers:
        with err.status("begins", spinner="line") as status:
            told = beside.workers(config, workers, rounds=rounds, say=status.update)
        typer.echo(json.dumps(told, indent=1)) if json_ else out.print(beside.as_text(told))
        return
    if "explainers" in options:
        with err.status("begins", spinner="line") as status:
            rows = each.each(config, say=status.update)
        typer.echo(json.dumps(rows, indent=1)) if json_ else out.print(each.as_table(rows))
        return
    with err.status("begins", spinner="line") as status:
        found = measure(config, untrained=untrained, rounds=rounds, say=status.update)
    typer.echo(json.dumps(found, indent=1)) if json_ else out.print(as_table(found))


@app.command(name="list")
def list_() -> None:
    """The classifiers, explainers, presentations, profiles and attacks that are known."""
    import torchvision

    from compute.attacks import ALGORITHMS
    from compute.explainers import EXPLAINERS
    from compute.networks.classifiers import CLASSIFIERS
    from compute.scoring.presentations import PRESENTATIONS

    others = [n for n in torchvision.models.list_models(module=torchvision.models) if n not in CLASSIFIERS]
    out.print(Text("Classifiers", "bold"), ", ".join(CLASSIFIERS))
    out.print("  torchvision:", ", ".join(others))
    out.print("  timm: timm:NAME, for example timm:resnet50 (weights are downloaded, or given with --weights)")
    named = [f"{e.name} (baseline)" if e.baseline else e.name for e in EXPLAINERS.values()]
    out.print(Text("Explainers", "bold"), ", ".join(named), "\n  your own: MODULE:NAME; any of Captum's: captum:NAME")
    out.print(Text("Presentations", "bold"), ", ".join(f"EXPLAINER@{name}" for name in PRESENTATIONS))
    out.print(Text("Algorithms of attacks", "bold"), ", ".join(ALGORITHMS))
    for title, known in (("Profiles", PROFILES), ("Attacks", ATTACKS)):
        out.print(Text(title, "bold"))
        for name, values in known.items():
            out.print(f"  {name}:", ", ".join(f"{k} = {v}" for k, v in values.items()))


def _print_report(store: Store) -> None:
    from compute.reporting.report import as_table
    from compute.reporting.report import report as figures

    out.print(as_table(figures(store)))
    out.print(visible(f"Store: {store.path}"), soft_wrap=True)


def _shard(text: str) -> tuple[int, int]:
    try:
        index, count = map(int, text.split("/"))
    except ValueError:
        index, count = 0, 0
    if not 1 <= index <= count:
        raise InputError(f"--shard {text}: give i/n with 1 <= i <= n, for example 1/4")
    return index, count


@contextmanager
def _bars() -> Iterator[Any]:
    """Progress bars, one a stage, on standard error; nothing where that is not a terminal."""
    columns = (TextColumn("{task.description:>8}"), BarColumn(), MofNCompleteColumn(), TextColumn("photos"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False))
    with Progress(*columns, *times, console=err, disable=not err.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def advance(stage: str, done: float, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=round(done, 2))

        yield advance


def _shown(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    """Notices, and other warnings with the place where they arose, in one line."""
    _say(f"wolfspider: {message}" if issubclass(category, Notice) else f"{filename}:{lineno}: {message}", "yellow")


def _say(line: str, style: str) -> None:
    err.print(visible(line), style=style, soft_wrap=True)


def main() -> None:
    """Run the command; what users are meant to read, and what the system refuses, ends it in one line with status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names in letters that the terminal does not have
    warnings.showwarning = _shown
    try:
        app()
    except (InputError, OSError) as error:
        _say(f"wolfspider: {error}", "red")
        raise SystemExit(2) from None
