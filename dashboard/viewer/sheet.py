"""The failure plate: cases against methods as one figure, dark on white; in vector files its pictures are lossless."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.data.images import decode
from dashboard.theme import INK
from dashboard.viewer.thumbnails import Bytes, draw, outline

CELL, GAP, LINE, HEAD = 150, 10, 13, 26
"""Side of a picture, space between two, height of a line, height of the heads of columns: units of the figure."""
WIDEST = 30
"""Characters of a line beneath a picture, at most."""
MISSING = "unreadable"
"""Instead of a picture."""
POINTS = 72
"""Units of the figure to an inch."""
DPI = 300
"""Of PNG."""


@dataclass(frozen=True)
class Panel:
    """A picture, (H, W, 3) or None where it cannot be read, and the lines beneath it."""

    picture: Bytes | None
    lines: Sequence[str]


def panel(images: dict[str, bytes | None], size: int, segment: int, n: int | None, lines: Sequence[str]) -> Panel:
    """What a cell shows, from stored PNGs: the photo, with "segments" the region too, with "entry" a set at n."""
    photo = decode(images["photo"], "photo", size)
    if photo is None or "segments" not in images:
        return Panel(photo, lines)
    labels = decode(images["segments"], "segments", size)
    entry = decode(images["entry"], "entry", size) if "entry" in images else np.zeros((size, size), np.uint8)
    if labels is None or entry is None:
        return Panel(None, lines)
    region = labels == segment
    picture = draw(photo, region, (entry > 0) & (entry <= (n or 0)))
    if "entry" not in images:
        inner = region & ~outline(region)
        picture[inner] = photo[inner]
    return Panel(picture, lines)


def render(
    title: str, heads: Sequence[str], rows: Sequence[Sequence[Panel]], form: str, millimetres: float | None = None
) -> bytes:
    """The figure as a file: a row a case, a column a head. Texts are set as they are, as paths or in an embedded font.

    Args:
        title: Beneath the figure.
        heads: Of the columns.
        rows: A panel a column.
        form: "svg", "pdf" or "png".
        millimetres: Its width; without it, POINTS units to an inch.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # here: it takes half a second

    high, width, height = _measures(heads, rows)
    inches = width / POINTS if millimetres is None else millimetres / 25.4
    scale = inches * POINTS / width
    with rc_context({"text.parse_math": False, "pdf.fonttype": 42, "svg.fonttype": "path"}):
        page = Figure(figsize=(inches, inches * height / width), facecolor="white", dpi=DPI)
        sheet = page.add_axes((0, 0, 1, 1))
        sheet.set_axis_off()

        def write(x: float, y: float, text: str, size: float, **more: Any) -> None:
            sheet.text(x, y, text, size=size * scale, color=INK, **more)

        for column, head in enumerate(heads):
            write(GAP + column * (CELL + GAP), HEAD, _short(head), 11.5, weight="bold")
        for place, row in enumerate(rows):
            y = HEAD + GAP + place * high
            for column, one in enumerate(row):
                x = GAP + column * (CELL + GAP)
                picture = np.full((1, 1, 3), 238, np.uint8) if one.picture is None else one.picture
                sheet.imshow(picture, extent=(x, x + CELL, y + CELL, y), interpolation="none", aspect="auto")
                if one.picture is None:
                    write(x + 8, y + CELL // 2, MISSING, 10)
                for i, line in enumerate(one.lines):
                    write(x, y + CELL + (i + 1) * LINE, _short(line), 10, weight="normal" if i else "bold")
        write(GAP, height - GAP, title, 9, alpha=0.75)
        sheet.set(xlim=(0, width), ylim=(height, 0))
        file = io.BytesIO()
        dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(form)
        page.savefig(file, format=form, metadata=dated)
    return file.getvalue()


def _measures(heads: Sequence[str], rows: Sequence[Sequence[Panel]]) -> tuple[int, int, int]:
    """Height of a row, width and height of the figure."""
    high = CELL + max((len(p.lines) for row in rows for p in row), default=0) * LINE + GAP
    return high, len(heads) * (CELL + GAP) + GAP, HEAD + 2 * GAP + len(rows) * high + HEAD


def _short(text: str) -> str:
    """A line that keeps within its column."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
