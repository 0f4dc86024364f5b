"""Text from stores, links and paths made harmless: one function for each kind of output that would read more into it.

Stores come from anywhere, and so do their names, classes, reasons and settings. Whatever a page shows of them goes
through one of these functions, and means nothing but itself there.
"""

import html as _html
import os
import re
import shlex

_JOINERS = "\u200c\u200d"  # scripts and emoji need them
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+.!$:<>|~&@=^-]")
_LATER = re.compile(r"(?<=:)(?=\S)|(?<=@)|(?<=www)(?=\.)|(?<=[-<>~=])(?=[-<>=])", re.IGNORECASE)
"""Within what Streamlit replaces after it has read the escapes: icons, addresses, mails, arrows and dashes."""


def visible(text: object) -> str:
    """One line that is what it looks like: control characters, overrides of direction and stray bytes become U+FFFD."""
    shown = (c if c.isprintable() or c in _JOINERS else " " if c.isspace() else "\ufffd" for c in str(text))
    return " ".join("".join(shown).split())


def markdown(text: object) -> str:
    """For Markdown: titles, captions, messages, labels, metrics, help, and options of pills and segments."""
    return _MARKUP.sub(r"\\\g<0>", _LATER.sub("\u2060", visible(text)))


def code(text: object) -> str:
    """A code span of Markdown, for a file that people read as it stands too."""
    return f"`{visible(text).replace('`', chr(39))}`"


def html(text: object) -> str:
    """For elements and quoted attributes of HTML."""
    return _html.escape(visible(text))


def plotly(text: object) -> str:
    """For names, ticks, titles and hover templates of Plotly, which reads tags, entities and %{variables} in them."""
    return _html.escape(visible(text), quote=False).replace("%{", "%&#123;")


def shell(text: object) -> str:
    """One word of a command that people copy; what cannot be printed is written as bash and zsh read it."""
    word = str(text)
    if word.isprintable():
        return shlex.quote(word)
    octets = (chr(o) if 32 <= o < 127 and o not in b"\\'" else f"\\{o:03o}" for o in os.fsencode(word))
    return f"$'{''.join(octets)}'"
