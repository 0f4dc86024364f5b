"""Text from elsewhere, made harmless for a terminal: names, reasons and settings of photos, stores and explainers."""

LONGEST = 500
"""Characters of a reason."""

_JOINERS = "\u200c\u200d"
"""Not printable, but scripts and emoji need them."""


def visible(text: object) -> str:
    """One line that is what it looks like: control characters, overrides of direction, stray bytes as their escapes."""
    return "".join(c if c.isprintable() or c in _JOINERS else repr(c)[1:-1] for c in str(text))


def brief(text: object) -> str:
    """Visible, with single blanks, and at most `LONGEST` characters."""
    line = visible(" ".join(str(text)[: 2 * LONGEST].split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
