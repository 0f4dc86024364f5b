"""Which cases, in which order: one frozen value that lives in the URL. Its SQL is in `matching.py`.

Every range is half-open, `low <= x < high`, so that the bars of a histogram share no case; leave `high` away for
the last one. A link from an aggregate to its cases is `Selection(...).to_params()`.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import quote, unquote

from dashboard.data.questions import ORDERS, RANGES, TRAITS, questions

MEASURES = ("jaccard", "hamming")
SIZES = ("best", "mean", *(str(n) for n in range(1, 21)))
CORNERS = 400
"""Corners of an outline, at most."""
AMONG = 200
"""Cases that are named one by one, at most."""


@dataclass(frozen=True)
class Selection:
    """A filter over cases and their order; "" and None are no limit.

    `explainer`, `measure` and `n` say which score is meant: at the best n, the mean over n, or one n; above that of the
    method `minus`, where one is named. `rank` is the explainer's rank at that one n. `winner` and `loser` ask that the
    one scores higher than the other. `outline` is drawn over the trait `x` and the score (`vertices`). `among` are
    cases by name (`split_names`). With `below_rank`, `rank` is the lower end of a range.
    """

    explainer: str
    measure: str = "jaccard"
    n: str = "best"
    question: str = ""
    photo: str = ""
    clean: str = ""
    low: float | None = None
    high: float | None = None
    min_share: float | None = None
    max_share: float | None = None
    min_conf: float | None = None
    max_conf: float | None = None
    min_linf: float | None = None
    max_linf: float | None = None
    min_seen: float | None = None
    max_seen: float | None = None
    min_r2: float | None = None
    max_r2: float | None = None
    min_spread: float | None = None
    max_spread: float | None = None
    minus: str = ""
    x: str = ""
    outline: str = ""
    among: str = ""
    winner: str = ""
    loser: str = ""
    rank: float | None = None
    below_rank: float | None = None
    order: str = ""

    def to_params(self) -> dict[str, str]:
        """Query parameters, defaults left out; `parse` reads them back."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        usual = {f.name: f.default for f in fields(self)}
        return {
            k: _shortest(v) if isinstance(v, float) else str(v)
            for k, v in given.items()
            if v is not None and v != usual[k]
        }

    def but(self, **changes: Any) -> "Selection":
        """A copy with some fields changed; what no longer makes sense falls away."""
        new = replace(self, **changes)
        if not (new.winner and new.loser):
            new = replace(new, winner="", loser="")
        if not (new.x and new.outline):
            new = replace(new, x="", outline="")
        if new.minus == new.explainer:
            new = replace(new, minus="")
        if not new.n.isdigit() or new.rank is None:
            new = replace(new, rank=None, below_rank=None)
        return new

    def within(self, ends: tuple[str, str], band: int, low: float, high: float) -> "Selection":
        """A copy limited to a band of values: the first has no lower end, the last no upper one (its `high` is NaN)."""
        return self.but(**{ends[0]: low if band else None, ends[1]: None if math.isnan(high) else high})

    def active(self) -> list[tuple[str, ...]]:
        """The limits in force: groups of fields that stand or fall together."""
        groups = [*RANGES.values(), ("question",), ("photo",), ("clean",), ("winner", "loser"), ("rank", "below_rank")]
        groups += [("x", "outline"), ("among",)]
        return [group for group in groups if any(getattr(self, name) not in ("", None) for name in group)]

    def without(self, group: Collection[str]) -> "Selection":
        """A copy with a group of limits lifted."""
        usual: dict[str, Any] = {f.name: f.default for f in fields(self)}
        return replace(self, **{name: usual[name] for name in group})

    @property
    def usual_order(self) -> str:
        """The order where none was chosen: failures, those under a limit, begin with the lowest score."""
        return "low" if self.high is not None and not self.low else "high"

    @property
    def by_gap(self) -> bool:
        """Whether the order is that of disagreement."""
        return (self.order or (self.question == "disagreement" and "gap")) == "gap"

    def outlined(self, x: str, points: Sequence[tuple[float, float]]) -> "Selection":
        """A copy limited to an outline over a trait and the score, in the units of both.

        Six digits are kept: less than a pixel, and short enough for a link.
        """
        return self.but(x=x, outline=";".join(f"{a:.6g},{b:.6g}" for a, b in points))

    def vertices(self) -> list[tuple[float, float]]:
        """The corners of the outline: the trait, its logarithm (10) where its axis has one, and the score."""
        corners = [tuple(map(float, corner.split(","))) for corner in self.outline.split(";")] if self.outline else []
        log = bool(self.x) and TRAITS[self.x][1]
        return [(math.log10(max(a, 1e-12)) if log else a, b) for a, b in corners]


def join_names(names: Iterable[str]) -> str:
    """Names of cases as one parameter of a link, whatever they hold."""
    return ",".join(quote(name, safe="") for name in names)


def split_names(text: str, most: int) -> list[str]:
    """The names in a parameter, each once, at most so many."""
    return list(dict.fromkeys(unquote(name) for name in text.split(",") if name))[:most]


def parse(params: Mapping[str, str], choices: Mapping[str, Collection[str]]) -> tuple[Selection, list[str]]:
    """Read a selection from query parameters, which are untrusted.

    Args:
        params: As in the URL; names that are not fields of `Selection` are left alone.
        choices: What the store knows: "explainer" (not empty, the default first), "photo" and "clean".

    Returns:
        The selection, and the names of the parameters that made no sense and were ignored.
    """
    allowed: dict[str, Collection[str]] = {
        **choices,
        "winner": choices["explainer"],
        "minus": choices["explainer"],
        "x": TRAITS,
        "loser": choices["explainer"],
        "measure": MEASURES,
        "n": SIZES,
        "question": questions(choices["explainer"]),
        "order": ORDERS,
    }
    found: dict[str, Any] = {"explainer": next(iter(choices["explainer"]))}
    ignored = []
    for name in (f.name for f in fields(Selection) if params.get(f.name)):
        value = params[name]
        if name in allowed:
            if value in allowed[name]:
                found[name] = value
            else:
                ignored.append(name)
        elif name in _TEXTS:
            if _TEXTS[name](value):
                found[name] = value
            else:
                ignored.append(name)
        elif (number := _number(value)) is not None and _LEAST.get(name, 0) <= number <= _MOST.get(name, 1):
            found[name] = number
        else:
            ignored.append(name)
    asked = Selection(**found)
    kept = asked.but()
    if not kept.minus:  # then a score is no difference, and not below zero
        kept = kept.without([name for name in RANGES["score"] if (getattr(kept, name) or 0) < 0])
    return kept, ignored + [name for name in asked.to_params() if name not in kept.to_params()]


_LEAST = dict.fromkeys(RANGES["score"], -1)
_MOST = dict.fromkeys(RANGES["linf"], 256) | {"rank": math.inf, "below_rank": math.inf}
"""What numbers can be at last; of all others, 0 and 1."""
_END = r"-?\d{1,9}(\.\d{1,9})?(e-?\d\d)?"
_TEXTS: dict[str, Callable[[str], object]] = {
    "outline": re.compile(rf"({_END},{_END})(;{_END},{_END}){{2,{CORNERS - 1}}}", re.ASCII).fullmatch,
    "among": re.compile(r"[^\s]{1,20000}").fullmatch,
}


def _number(text: str) -> float | None:
    if not re.fullmatch(r"-?\d{0,9}\.?\d{0,25}(e-?\d{1,2})?", text, re.ASCII):
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _shortest(value: float) -> str:
    return repr(int(value)) if value.is_integer() else repr(value)
