"""The units of a sweep's work: to attack a group of photos, and to explain a photo. Each of them leaves a part.

Attempts of `group` photos share batches, so a group is the unit of attacking; the unit of explaining is a photo.
Finished ones are found again by an interrupted, resumed or shared sweep.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from compute.store.part import Rows
from compute.store.places.bucket import RunParts
from compute.store.png import from_png
from compute.sweep.asking import Case, Prepare, Prepared
from compute.sweep.explaining import Explained
from compute.sweep.pipeline import Pipeline
from compute.sweep.rows import failure_row
from compute.sweep.run import attack_part, explain_part, groups
from compute.sweep.work.opening import Sweep

Advance = Callable[[float], None]
"""Called with photos, or shares of them, as they are done."""
Progress = Callable[[str, float, int], None]
"""Called with (stage, photos done, photos in all); the stages are attack and explain."""
Found = tuple[Rows, Mapping[str, float]]
"""Rows by table, and seconds by stage."""
ATTACKED = ("photos", "attempts", "images", "failures")
EXPLAINED = ("explanations", "controls", "repeats", "images", "failures")
"""The tables of parts."""
_Item = tuple[str, Case | None, int]
"""Photo, one of its cases (None where it has none), and how many there are."""


class Counted:
    """Progress by stage, in photos."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total = progress, total
        self.done = {"attack": 0.0, "explain": 0.0}

    def advance(self, stage: str, by: float) -> None:
        """So many photos more are done."""
        self.done[stage] += by
        self.progress(stage, self.done[stage], self.total)


def share(photo_ids: Sequence[str], group: int, shard: tuple[int, int]) -> list[tuple[int, list[str]]]:
    """The i-th of n shares of the groups, by their numbers; `shard` is (i, n)."""
    return [(i, some) for i, some in enumerate(groups(photo_ids, group)) if i % shard[1] == shard[0] - 1]


def attack(opened: Sweep, index: int, group: Sequence[str], advance: Advance) -> None:
    """Attack the photos of a group, and write their part."""
    write_attacked(opened.parts, index, [attacked(opened, group, advance)], opened.passed_over)


def attacked(opened: Sweep, photo_ids: Sequence[str], advance: Advance) -> Found:
    """What came of attacking photos in batches that they share."""
    sources = [opened.sources[photo_id] for photo_id in photo_ids]
    return opened.attacking.attack(sources, lambda done: advance(done * len(sources)))


def write_attacked(parts: RunParts, index: int, found: Sequence[Found], passed_over: Iterable[tuple[str, str]]) -> None:
    """Write the part of a group; the first group's tells of files passed over too."""
    rows, seconds = joined(ATTACKED, found)
    if index == 0:
        rows["failures"] = [*rows["failures"], *(failure_row("photo", *passed) for passed in passed_over)]
    parts.write(attack_part(index), rows, seconds)


def cases(opened: Sweep, index: int, photo_ids: Sequence[str]) -> dict[str, list[Case]]:
    """The successful attempts at some photos of a group, from its part, sorted by case."""
    name, found = attack_part(index), {photo_id: list[Case]() for photo_id in photo_ids}
    images = {(row["owner"], row["kind"]): row["png"] for row in opened.parts.read(name, "images")}
    classes = {p["photo_id"]: (p["target_index"], p["clean_index"]) for p in opened.parts.read(name, "photos")}
    for row in opened.parts.read(name, "attempts"):
        photo_id = row["photo_id"]
        if row["success"] and photo_id in found:
            region = from_png(images[photo_id, "segments"]) == row["segment"]
            rgb = from_png(images[row["case_id"], "adversarial"])
            photo = from_png(images[photo_id, "photo"])
            target, own = classes[photo_id]
            found[photo_id].append(Case(row["case_id"], photo_id, rgb, region, target, photo, own))
    return found


def explain(opened: Sweep, asked: Iterable[tuple[str, Sequence[Case]]], advance: Advance) -> None:
    """Explain the cases of photos, and write a part for each of them; the next are asked for as room is made."""
    explaining = opened.explaining
    assert explaining is not None
    none: list[Case | None] = [None]
    items = ((photo_id, case, len(some)) for photo_id, some in asked for case in some or none)

    def prepare(item: _Item) -> dict[Prepare, Prepared]:
        return explaining.prepare(item[1]) if item[1] else {}

    def answer(item: tuple[_Item, dict[Prepare, Prepared]]) -> tuple[str, Explained | None, int]:
        (photo_id, case, count), prepared = item
        return photo_id, explaining.explain(case, prepared) if case else None, count

    with Pipeline(opened.attacking.classifier.device, opened.turns) as pipeline:
        for photo_id, answers in groupby(pipeline.run(prepare, answer, items), key=lambda answer: answer[0]):
            explained = []
            for _, done, count in answers:
                explained += [(done.rows, done.seconds)] if done else []
                advance(1 / max(count, 1))
            opened.parts.write(explain_part(photo_id), *joined(EXPLAINED, explained))


def joined(
    tables: Sequence[str], found: Sequence[Found]
) -> tuple[dict[str, list[Mapping[str, Any]]], dict[str, float]]:
    """The rows and seconds of them all."""
    seconds: dict[str, float] = {}
    for _, took in found:
        for stage, value in took.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    return {table: [row for rows, _ in found for row in rows.get(table, ())] for table in tables}, seconds
