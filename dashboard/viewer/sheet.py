"""The failure plate: cases against methods as one vector figure, dark on white; its pictures are lossless PNGs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dashboard.data.images import decode
from dashboard.text import html
from dashboard.viewer.thumbnails import Bytes, draw, outline

CELL, GAP, LINE, HEAD = 150, 10, 13, 26
"""Side of a picture, space between two, height of a line, height of the heads of columns: units of the figure."""
WIDEST = 30
"""Characters of a line beneath a picture, at most."""
INK = "#1d1d26"
MISSING = "unreadable"
"""Instead of a picture."""
POINTS = 72
"""Units of the figure to an inch of PDF."""


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


def as_svg(title: str, heads: Sequence[str], rows: Sequence[Sequence[Panel]]) -> str:
    """The figure: a row a case, a column a head. Texts are set as they are, whatever they hold."""
    high, width, height = _measures(heads, rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="10" fill="{INK}">',
        f"<title>{html(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for column, head in enumerate(heads):
        parts.append(_text(GAP + column * (CELL + GAP), HEAD, _short(head), 'font-weight="600" font-size="11.5"'))
    for place, row in enumerate(rows):
        y = HEAD + GAP + place * high
        for column, one in enumerate(row):
            x = GAP + column * (CELL + GAP)
            parts.append(_image(x, y, one.picture))
            parts += [
                _text(x, y + CELL + (i + 1) * LINE, _short(line), "" if i else 'font-weight="600"')
                for i, line in enumerate(one.lines)
            ]
    parts.append(_text(GAP, height - GAP, title, 'fill-opacity="0.75" font-size="9"'))
    return "".join([*parts, "</svg>"])


def as_pdf(title: str, heads: Sequence[str], rows: Sequence[Sequence[Panel]]) -> bytes:
    """The same figure as PDF, with embedded fonts; see `as_svg`."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure  # here: it takes half a second

    high, width, height = _measures(heads, rows)
    with rc_context({"text.parse_math": False, "pdf.fonttype": 42}):
        page = Figure(figsize=(width / POINTS, height / POINTS), facecolor="white")

        def write(x: int, y: int, text: str, size: float, **more: Any) -> None:
            page.text(x / width, 1 - y / height, text, size=size, color=INK, **more)

        for column, head in enumerate(heads):
            write(GAP + column * (CELL + GAP), HEAD, _short(head), 11.5, weight="bold")
        for place, row in enumerate(rows):
            y = HEAD + GAP + place * high
            for column, one in enumerate(row):
                x = GAP + column * (CELL + GAP)
                panel = page.add_axes((x / width, 1 - (y + CELL) / height, CELL / width, CELL / height), frame_on=False)
                panel.set(xticks=[], yticks=[])
                grey = np.full((1, 1, 3), 238, np.uint8)
                panel.imshow(grey if one.picture is None else one.picture, interpolation="none")
                if one.picture is None:
                    write(x + 8, y + CELL // 2, MISSING, 10)
                for i, line in enumerate(one.lines):
                    write(x, y + CELL + (i + 1) * LINE, _short(line), 10, weight="normal" if i else "bold")
        write(GAP, height - GAP, title, 9, alpha=0.75)
        file = io.BytesIO()
        page.savefig(file, format="pdf", metadata={"CreationDate": None})
    return file.getvalue()


def _measures(heads: Sequence[str], rows: Sequence[Sequence[Panel]]) -> tuple[int, int, int]:
    """Height of a row, width and height of the figure."""
    high = CELL + max((len(p.lines) for row in rows for p in row), default=0) * LINE + GAP
    return high, len(heads) * (CELL + GAP) + GAP, HEAD + 2 * GAP + len(rows) * high + HEAD


def _text(x: int, y: int, text: str, more: str) -> str:
    return f'<text x="{x}" y="{y}" {more}>{html(text)}</text>'


def _short(text: str) -> str:
    """A line that keeps within its column."""
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _image(x: int, y: int, picture: Bytes | None) -> str:
    if picture is None:
        return (
            f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="#eeeeee"/>'
            f'<text x="{x + 8}" y="{y + CELL // 2}">{MISSING}</text>'
        )
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<image x="{x}" y="{y}" width="{CELL}" height="{CELL}" href="data:image/png;base64,{data}"/>'
