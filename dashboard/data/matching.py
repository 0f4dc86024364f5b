"""The SQL of a selection: the cases that match, in order; neighbours; the nearest filter that matches."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from compute.store.schema import at_size
from dashboard.data.questions import GRADIENTS, MISSED, ORDERS, QUESTIONS, RANGES, TRAITS
from dashboard.data.selection import AMONG, MEASURES, Selection, split_names

Ask = Callable[[str, dict[str, Any]], pd.DataFrame]
"""Answers SQL with named parameters, `Board.query` for one; safe to call from the caller's thread."""

PER_CASE = """
select *, spreads[explainer_at] as spread, scores[explainer_at] as own, own - {minus} as score,
       list_sort(list_select(scores, ranked), 'DESC', 'NULLS LAST') as field, field[1] as top, field[2] as second,
       list_min(field) as bottom, top - bottom as gap, scores[random_at] as chance,
       scores[lime_at] as lime, list_max(list_select(scores, gradients)) as gradient
from ({source}), (
  select list(position + 1) filter (not baseline) as ranked,
         list(position + 1) filter (name in {gradients}) as gradients,
         any_value(position + 1) filter (name = 'lime') as lime_at,
         any_value(position + 1) filter (name = 'random') as random_at, {places}
  from explainers
)"""
PLACE = "any_value(position + 1) filter (name = ${0}) as {0}_at"
"""Where a method stands in a case's list of scores."""

COLUMNS = """case_id, photo_id, photo_name, region_rank, segment, region_share, clean_class, clean_confidence,
entropy, target_class, target_confidence, linf, l2, iterations, visibility, r2, superpixels, spread, score, top, second,
bottom, chance, gap"""

NAMED = """with found as materialized ({found}),
named as (
  select case_id, min(name) filter (score = top) as best_method, min(name) filter (score = bottom) as worst_method
  from (select case_id, top, bottom, unnest(scores) as score, unnest(range(len(scores))) as position from found)
  join explainers using (position) where not baseline group by case_id
)
select found.* exclude (scores), best_method, worst_method from found left join named using (case_id)
order by found.position"""
"""Cases with the names of their best and worst methods: of those found alone, since texts are slow to compare."""

SCORES = {
    "jaccard": "jaccard_of({counts}.pixels, {counts}.hits, region_pixels)",
    "hamming": "hamming_of({counts}.pixels, {counts}.hits, region_pixels, n_pixels)",
}
"""A score from counts, by measure."""

INSIDE = """len(list_filter($edges, lambda e: (e.y1 > score) <> (e.y2 > score)
  and {x} < (e.x2 - e.x1) * (score - e.y1) / (e.y2 - e.y1) + e.x1)) % 2 = 1"""
"""Whether a case lies within an outline: its edges to the right are odd in number."""


def matching(selection: Selection) -> tuple[str, dict[str, Any]]:
    """SQL with named parameters for the cases that match, in no order: `COLUMNS`, `scores`, and what orders ask for."""
    params: dict[str, Any] = {"explainer": selection.explainer}
    where = ["true"]
    for column, names in RANGES.items():
        for name, compare in zip(names, (">=", "<"), strict=True):
            if (value := getattr(selection, name)) is not None:
                where.append(f"{column} {compare} ${name}")
                params[name] = value
    for name, column in (("photo", "photo_id"), ("clean", "clean_class")):
        if value := getattr(selection, name):
            where.append(f"{column} = ${name}")
            params[name] = value
    if selection.winner:
        where.append("scores[winner_at] > scores[loser_at]")
        params |= {"winner": selection.winner, "loser": selection.loser}
    if selection.rank is not None:
        where.append(
            f"case_id in (select case_id from case_methods where explainer = $explainer"
            f" and rank_{selection.measure}[$n] >= $rank and rank_{selection.measure}[$n] < $below_rank)"
        )
        below = selection.rank + 0.5 if selection.below_rank is None else selection.below_rank  # ties share halves
        params |= {"rank": selection.rank, "below_rank": below, "n": int(selection.n)}
    where += _by_name(selection, params)
    if question := QUESTIONS.get(selection.question):
        where.append(question.condition)
        if "$missed" in question.condition:
            params["missed"] = MISSED[selection.measure]
    if selection.minus:
        params["minus"] = selection.minus
    methods = [name for name in ("explainer", "minus", "winner", "loser") if name in params]
    per_case = PER_CASE.format(
        source=_with_lists("case_board", selection.measure, selection.n),
        gradients=GRADIENTS,
        minus="scores[minus_at]" if selection.minus else "0",
        places=", ".join(map(PLACE.format, methods)),
    )
    return f"select * from ({per_case}) where {' and '.join(where)}", params


def _order(selection: Selection) -> str:
    """SQL of the selection's order over `matching`."""
    order = ORDERS[selection.order or selection.usual_order][1]
    if (question := QUESTIONS.get(selection.question)) and not selection.order:
        order = question.order
    return f"{order} nulls last, case_id"


def _by_name(selection: Selection, params: dict[str, Any]) -> list[str]:
    """Conditions for the cases in the outline, and for those that are named; their parameters are added."""
    where = []
    if selection.outline:
        where.append(INSIDE.format(x=f"log10({selection.x})" if TRAITS[selection.x][1] else selection.x))
        corners = selection.vertices()
        sides = zip(corners, [*corners[1:], corners[0]], strict=True)
        params["edges"] = [dict(zip(("x1", "y1", "x2", "y2"), (*one, *two), strict=True)) for one, two in sides]
    if selection.among:
        where.append("case_id in (select unnest($among))")
        params["among"] = split_names(selection.among, AMONG)
    return where


def scored(measure: str, n: str, where: str = "true") -> str:
    """SQL for case_id, explainer and its position, score: at the best n, the mean over n, or at one n."""
    rows = "select case_id, unnest(scores) as score, unnest(range(len(scores))) as position"
    return f"""select case_id, name as explainer, position, score
        from ({rows} from ({lists(measure, n)}) where {where}) join explainers using (position)
        where score is not null"""


def lists(measure: str, n: str) -> str:
    """SQL for case_id and `scores`, a list by method, at the best n, the mean over n, or at one n."""
    cases = "(select case_id, region_pixels, n_pixels from attempts where success)" if n.isdigit() else "case_lists"
    return f"select case_id, scores from ({_with_lists(cases, measure, n)})"


def _with_lists(cases: str, measure: str, n: str) -> str:
    """SQL for some cases and their `scores`, a list by method."""
    if not n.isdigit():
        return f"select *, {listed(measure, n)} as scores from {cases}"
    column, score = at_size(int(n)), SCORES[measure].format(counts="c")
    return f"""select * exclude (counts), [{score} for c in counts] as scores
        from {cases} left join (select case_id, {column} as counts from case_counts) using (case_id)"""


def column_of(measure: str) -> str:
    """A measure's column: names from outside never reach SQL."""
    return {name: name for name in MEASURES}[measure]


def listed(measure: str, n: str) -> str:
    """The column with a measure's mean over n, or its best, of every method; likewise."""
    ends = ["mean", "best"]
    return f"{ends[ends.index(n)]}_{column_of(measure)}"


def count(ask: Ask, selection: Selection) -> int:
    """How many cases match."""
    sql, params = matching(selection)
    return int(ask(f"select count(*) as count from ({sql})", params)["count"].iloc[0])


def page(ask: Ask, selection: Selection, *, size: int, first: int = 0) -> pd.DataFrame:
    """At most `size` matching cases in order, after the first `first`: columns of `matching` and `NAMED`."""
    sql, params = matching(selection)
    few = f"{sql} order by {_order(selection)} limit $size offset $first"
    return ask(_named(few, selection, "$first + "), {**params, "first": first, "size": size})


def everything(ask: Ask, selection: Selection) -> pd.DataFrame:
    """All matching cases in order: columns of `matching` and `NAMED`."""
    sql, params = matching(selection)
    return ask(_named(sql, selection), params)


def _named(sql: str, selection: Selection, before: str = "") -> str:
    """`COLUMNS`, `position` (from 1 in the selection's order) and `NAMED` of matching cases."""
    position = f"{before}row_number() over (order by {_order(selection)}) as position"
    return NAMED.format(found=f"select {COLUMNS}, scores, {position} from ({sql})")


def by_method(ask: Ask, selection: Selection, case_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """The scores of all methods, a column each, by case_id: of these cases, or of all."""
    where = "true" if case_ids is None else "case_id in (select unnest($ids))"
    params = {} if case_ids is None else {"ids": list(case_ids)}
    return ask(scored(selection.measure, selection.n, where), params).pivot(
        index="case_id", columns="explainer", values="score"
    )


def sizes(ask: Ask, selection: Selection, case_ids: Sequence[str], methods: Sequence[str]) -> list[int]:
    """The n at which the score of each (case, method) was taken: the chosen n, or the method's best (1 where none)."""
    if selection.n.isdigit():
        return [int(selection.n)] * len(case_ids)
    score = SCORES[selection.measure].format(counts="c")
    found = ask(
        f"""select coalesce(list_position(by_n, list_max(by_n)), 1) as n from (
            select place, [{score} for c in [{{pixels: x[1], hits: x[2]}} for x in list_zip(pixels, hits)]] as by_n
            from (select unnest($ids) as case_id, unnest($methods) as explainer, unnest(range($many)) as place)
            left join explanations using (case_id, explainer) left join attempts using (case_id)
        ) order by place""",
        {"ids": list(case_ids), "methods": list(methods), "many": len(case_ids)},
    )
    return [int(n) for n in found["n"]]


def case_ids(ask: Ask, selection: Selection) -> pd.Series:
    """The ids of all matching cases in order."""
    sql, params = matching(selection)
    return ask(f"select case_id from ({sql}) order by {_order(selection)}", params)["case_id"]


def neighbours(ids: pd.Series, case_id: str) -> tuple[int, str | None, str | None] | None:
    """Where a case stands among `case_ids`: its position from 1, the cases before and after; None where it does not."""
    found = np.flatnonzero(ids == case_id)
    if not found.size:
        return None
    here = int(found[0])
    before, after = (ids.iloc[i] if 0 <= i < len(ids) else None for i in (here - 1, here + 1))
    return here + 1, before, after


def nearest(ask: Ask, selection: Selection) -> list[tuple[tuple[str, ...], Selection, int]]:
    """Where no case matches: what to change so that some do.

    Returns:
        (group of fields, selection, how many match it), one for each group of limits whose change alone suffices: a
        range is moved just far enough, any other limit is lifted. Ranges come first; empty where no single change does.
    """
    found = []
    for group in selection.active():
        lifted = selection.without(group)
        if count(ask, lifted):
            wider = _widened(ask, selection, lifted, group) if group in RANGES.values() else lifted
            found.append((group, wider, count(ask, wider)))
    return found


def _widened(ask: Ask, selection: Selection, lifted: Selection, group: tuple[str, ...]) -> Selection:
    """The range moved to the nearest value that exists among the cases which the other limits leave."""
    column = next(column for column, names in RANGES.items() if names == group)
    low, high = (getattr(selection, name) for name in group)
    sql, params = matching(lifted)
    bounds = {"low_end": low if low is not None else -1e9, "high_end": high if high is not None else 1e9}
    values = ask(
        f"""select max({column}::double) filter (where {column} < $low_end) as below,
        min({column}::double) filter (where {column} >= $high_end) as above from ({sql})""",
        {**params, **bounds},
    ).iloc[0]
    below, above = values["below"], values["above"]
    if pd.isna(above) or (not pd.isna(below) and bounds["low_end"] - below <= above - bounds["high_end"]):
        return lifted if pd.isna(below) else selection.but(**{group[0]: _rounded(below, up=False)})
    return selection.but(**{group[1]: _rounded(above, up=True)})


def _rounded(value: float, *, up: bool) -> float:
    """Three decimals, outwards, so that the value itself stays inside the half-open range."""
    whole = int(value * 1000 // 1)
    return (whole + 1) / 1000 if up else whole / 1000
