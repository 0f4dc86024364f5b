"""What is left to do of a run that is shared out, and what becomes of units whose workers died."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from compute.store.places.bucket import RunParts
from compute.sweep.rows import failure_row
from compute.sweep.run import attack_part, explain_part, groups
from compute.sweep.work.units import EXPLAINED, Counted, Found, joined, write_attacked


class Unit(NamedTuple):
    """Work for one worker: photos of one group; `alone` is to attack them without the others."""

    stage: Literal["attack", "alone", "explain"]
    group: int
    photos: tuple[str, ...]


class Todo:
    """The units of a run that are left to do, attacks first.

    Where there are fewer groups than workers, they are attacked in pieces, which changes no bit. A unit that kills its
    workers is done again photo by photo, so that only photos which kill them alone are lost.
    """

    def __init__(
        self,
        parts: RunParts,
        mine: Sequence[tuple[int, list[str]]],
        *,
        together: int,
        workers: int,
        passed_over: Sequence[tuple[str, str]],
        counted: Counted,
    ) -> None:
        """Begin.

        Args:
            parts: of the run.
            mine: groups by their numbers.
            together: photos that a worker is given to explain at once.
            workers: how many there are.
            passed_over: (name, reason) of what is no photo.
            counted: is told of what is done.
        """
        self._parts, self._together, self._passed_over, self._counted = parts, together, passed_over, counted
        self._groups = dict(mine)
        self._waiting = deque(Unit("attack", i, tuple(group)) for i, group in mine)
        self._pieces = -(-workers // max(len(mine), 1))
        self._alone: dict[int, dict[tuple[str, ...], Found]] = {}

    def next(self) -> Unit | None:
        """A unit that nobody has finished, this run or another; None where there is none for now."""
        while self._waiting:
            unit = self._waiting.popleft()
            if unit.stage == "attack" and self._parts.done(attack_part(unit.group)):
                self._attacked(unit.group)
                continue
            if unit.stage == "attack" and min(self._pieces, len(unit.photos)) > 1:
                self._waiting.extendleft(reversed(self._split(unit, -(-len(unit.photos) // self._pieces))))
                continue
            if unit.stage == "explain":
                missing = tuple(p for p in unit.photos if not self._parts.done(explain_part(p)))
                self._counted.advance("explain", len(unit.photos) - len(missing))
                unit = unit._replace(photos=missing)
            if unit.photos:
                return unit
        return None

    def again(self, unit: Unit) -> None:
        """Nobody is to blame that this unit was not done."""
        self._waiting.append(unit)

    def done(self, unit: Unit, found: Any) -> None:
        """A worker has done a unit, and returned this."""
        if unit.stage == "explain":
            self._counted.advance("explain", len(unit.photos))
        elif unit.stage == "attack":
            self._attacked(unit.group)
        else:
            self._alone.setdefault(unit.group, {})[unit.photos] = found
            every, group = self._alone[unit.group], self._groups[unit.group]
            if sum(map(len, every)) == len(group):
                ordered = [every[photos] for photos in sorted(every, key=lambda photos: group.index(photos[0]))]
                write_attacked(self._parts, unit.group, ordered, self._passed_over)
                del self._alone[unit.group]
                self._attacked(unit.group)

    def lost(self, unit: Unit, reason: str) -> None:
        """A unit has killed its workers."""
        if unit.stage == "attack" or len(unit.photos) > 1:
            self._waiting.extend(self._split(unit, 1))
            return
        (photo_id,), stage = unit.photos, "explain" if unit.stage == "explain" else "attack"
        found: Found = {"failures": [failure_row(stage, photo_id, reason)]}, {}
        if unit.stage == "explain":
            self._parts.write(explain_part(photo_id), *joined(EXPLAINED, [found]))
        self.done(unit, found)

    def _split(self, unit: Unit, size: int) -> list[Unit]:
        """The unit as several, of `size` photos each."""
        stage: Literal["alone", "explain"] = "explain" if unit.stage == "explain" else "alone"
        return [unit._replace(stage=stage, photos=tuple(some)) for some in groups(unit.photos, size)]

    def _attacked(self, index: int) -> None:
        group = self._groups[index]
        self._counted.advance("attack", len(group))
        self._waiting.extend(Unit("explain", index, tuple(some)) for some in groups(group, self._together))
