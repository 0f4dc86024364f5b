"""Where names stand beside the dots of a scatter: none covers a dot or another name, and lines lead to those far off.

Greedy, in the order of the dots: each name takes the nearest spot that is free.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

HEIGHT = 14.0
"""Of a name, pixels."""
GAP = 3.0
"""Between a dot and its name, and between names."""
FAR = (8.0, 16.0, 26.0, 38.0, 54.0, 74.0, 100.0, 140.0)
"""Distances of names from dots that a line leads to."""
CROSSED = 60.0
"""By how much a line may be longer rather than cross another, or a dot."""
_SIDES = {"middle right": (1, 0), "middle left": (-1, 0), "top center": (0, 1), "bottom center": (0, -1)}
_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_ALONG = np.linspace(0, 1, 16)[:, None]


class Spot(NamedTuple):
    """Where a name stands, in pixels to the right and up from its dot.

    Attributes:
        x: of its middle.
        y: likewise.
        side: Plotly's `textposition`, from the dot or from the end of the line.
        line: x and y of the start of the line that leads to it, at the edge of the dot, and of its end.
    """

    x: float
    y: float
    side: str
    line: tuple[float, float, float, float]


class Crowd:
    """Dots and the names that stand among them.

    Args:
        dots: (K, 2) places in pixels, from the lower left corner.
        radii: (K,) of the dots.
        frame: width and height of what names have to keep within.
    """

    def __init__(self, dots: Reals, radii: Reals, frame: tuple[float, float]) -> None:
        self._dots, self._radii, self._frame = dots, radii, np.array(frame)
        self._boxes = np.empty((0, 4))
        self._lines, self._ends = np.empty((0, 2)), np.empty((0, 4))

    def take(self, box: Sequence[float]) -> None:
        """Let no name stand in a box: left, lower, right, upper."""
        self._boxes = np.vstack([self._boxes, np.asarray(box, float)])

    def place(self, dot: int, width: float, sides: Iterable[str] = _SIDES, *, far: bool = False) -> Spot | None:
        """The nearest free spot for the name of a dot, on one of the sides or, if `far`, led to; None without any."""
        radius, half = self._radii[dot], np.array([width, HEIGHT]) / 2
        names = list(sides)
        spots = np.array([_SIDES[side] for side in names], float) * (radius + GAP + half)
        if far:
            ways = np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)])
            sign = np.where(np.abs(ways) < 0.01, 0, np.sign(ways))
            spots = np.vstack([spots, *(ways * (radius + reach) + sign * half for reach in FAR)])
            names += [""] * (len(spots) - len(names))
        led = np.array([not name for name in names])
        boxes = np.hstack([self._dots[dot] + spots - half, self._dots[dot] + spots + half])
        others = np.arange(len(self._dots)) != dot
        dots, radii = self._dots[others], self._radii[others]
        room = np.where(led, 1.0, 2 * GAP)  # a name beside two dots would be of either
        free = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= self._frame).all(axis=1)
        free &= (_distances(boxes, dots) >= radii + room[:, None]).all(axis=1)
        free &= ~_overlap(boxes, self._boxes, GAP).any(axis=1) & ~_within(self._lines, boxes).any(axis=0)
        left = np.flatnonzero(free)
        ends = np.clip(self._dots[dot], boxes[left, :2], boxes[left, 2:])
        lines = self._dots[dot] + _ALONG[:, None] * (ends - self._dots[dot])  # (points, spots, 2)
        over = _within(lines.reshape(-1, 2), self._boxes).any(axis=1).reshape(lines.shape[:2]).any(axis=0)
        through = (np.hypot(*(lines[:, :, None] - dots).transpose(3, 0, 1, 2)) < radii).any(axis=(0, 2))
        length = np.hypot(*(ends - self._dots[dot]).T)
        cost = length + led[left] * CROSSED * (through + self._crossing(self._dots[dot], ends))
        cost[led[left] & over] = np.inf
        if not np.isfinite(cost).any():
            return None
        best = int(cost.argmin())
        first = left[best]
        self.take(boxes[first])
        if led[first]:
            self._lines = np.vstack([self._lines, lines[:, best]])
            self._ends = np.vstack([self._ends, np.hstack([self._dots[dot], ends[best]])])
        x, y = spots[first].tolist()
        end = ends[best] - self._dots[dot]
        start = end * min(1.0, radius / max(length[best], 1e-9))
        return Spot(x, y, names[first] or _side(end - spots[first], half), (*start.tolist(), *end.tolist()))

    def _crossing(self, start: Reals, ends: Reals) -> npt.NDArray[np.bool_]:
        """Whether lines from there would cross one that is there already."""
        b, c, d = ends[:, None], self._ends[None, :, :2], self._ends[None, :, 2:]
        turned = (_turn(start, b, c) != _turn(start, b, d)) & (_turn(c, d, start) != _turn(c, d, b))
        return np.asarray(turned.any(axis=1))


def _side(end: Reals, half: Reals) -> str:
    """Plotly's `textposition` of a name from a point on the edge of its box, which is given from the middle."""
    across = "right" if end[0] <= -half[0] + 0.1 else "left" if end[0] >= half[0] - 0.1 else "center"
    along = "top" if end[1] <= -half[1] + 0.1 else "bottom" if end[1] >= half[1] - 0.1 else "middle"
    return f"{along} {across}"


def _turn(a: Reals, b: Reals, c: Reals) -> npt.NDArray[np.bool_]:
    """Whether the way from a over b to c turns left."""
    ahead, aside = b - a, c - a
    return np.asarray(ahead[..., 0] * aside[..., 1] - ahead[..., 1] * aside[..., 0] > 0)


def _distances(boxes: Reals, points: Reals) -> Reals:
    """(boxes, points) from each point to the nearest of each box."""
    near = np.clip(points, boxes[:, None, :2], boxes[:, None, 2:])
    return np.asarray(np.hypot(*np.moveaxis(points - near, -1, 0)))


def _overlap(some: Reals, others: Reals, gap: float) -> npt.NDArray[np.bool_]:
    """(some, others) whether two boxes are less than a gap apart."""
    apart = (some[:, None, :2] >= others[:, 2:] + gap) | (others[:, :2] >= some[:, None, 2:] + gap)
    return np.asarray(~apart.any(axis=2))


def _within(points: Reals, boxes: Reals) -> npt.NDArray[np.bool_]:
    """(points, boxes) whether a point lies in a box."""
    return np.asarray(((points[:, None] > boxes[:, :2]) & (points[:, None] < boxes[:, 2:])).all(axis=2))
