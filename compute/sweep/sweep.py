"""Runs sweeps: photos, regions, attacks, explanations, scores, store; in a plain loop, or by Ray's workers."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from compute.errors import InputError
from compute.inputs.source import Source
from compute.networks.classifier import Classifier
from compute.store.opening import Store
from compute.store.places.bucket import RunParts, parts_at
from compute.sweep.asking import Case
from compute.sweep.config import Config
from compute.sweep.run import attack_part, explain_part, publish
from compute.sweep.work.opening import Sweep, open_sweep
from compute.sweep.work.units import Counted, Progress, attack, cases, explain, share


def run_sweep(
    config: Config,
    *,
    sources: Sequence[Source] | None = None,
    classifier: Classifier | None = None,
    shard: tuple[int, int] = (1, 1),
    workers: int = 0,
    ray: str | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Store | None:
    """Run a sweep, or what is left of it, and publish its store.

    Args:
        config: the configuration.
        sources: photos in memory (`from_array`), instead of `config.photos`.
        classifier: `Classifier.of(module, ...)`, instead of `config.classifier`.
        shard: (i, n): only the i-th of n shares of the groups; such a run does not publish.
        workers: processes that share the work by Ray (compute/sweep/work/README.md); 0 is this process alone.
        ray: HOST:PORT of a cluster of Ray's, or auto for the one that this machine is part of.
        progress: called as work goes on.

    Returns:
        The published store; None for a shard.

    Raises:
        InputError: naming the option at fault; what is finished stays, and the next run goes on from there.
    """
    parts = parts_at(config.out)
    if (workers or ray) and not parts.published():
        from compute.sweep.work.driver import crew  # Ray is imported where it is asked for alone

        def work() -> None:
            with crew(config, sources=sources, classifier=classifier, workers=workers, ray=ray) as hired:
                hired.run(shard, progress)

        return _published(parts, work, shard)
    return finish(open_sweep(config, sources=sources, classifier=classifier), shard=shard, progress=progress)


def finish(
    opened: Sweep, *, shard: tuple[int, int] = (1, 1), progress: Progress = lambda stage, done, total: None
) -> Store | None:
    """Run what is left of a sweep that has been opened, in this process; see `run_sweep`."""
    return _published(opened.parts, partial(_run, opened, shard, progress), shard)


def _published(parts: RunParts, work: Callable[[], None], shard: tuple[int, int]) -> Store | None:
    """The store after the work, unless another process was faster."""
    if not parts.published():
        try:
            work()
        except InputError:
            if not parts.published():  # else another process was faster, with the same configuration
                raise
    return publish(parts.root) if shard[1] == 1 else None


def _run(opened: Sweep, shard: tuple[int, int], progress: Progress) -> None:
    """Do the groups of a shard that are not done yet, one after another."""
    parts, mine = opened.parts, share(list(opened.sources), opened.group, shard)
    counted = Counted(progress, sum(len(group) for _, group in mine))

    def unexplained() -> Iterator[tuple[str, list[Case]]]:
        """Photos whose part is missing, with their cases; attacks their group first where that was not done."""
        for i, group in mine:
            if parts.done(attack_part(i)):
                counted.advance("attack", len(group))
            else:
                attack(opened, i, group, partial(counted.advance, "attack"))
            missing = [photo_id for photo_id in group if not parts.done(explain_part(photo_id))]
            counted.advance("explain", len(group) - len(missing))
            yield from cases(opened, i, missing).items()

    explain(opened, unexplained(), partial(counted.advance, "explain"))
