"""What must hold between the tables of a store: else its figures would count twice, miss, or divide by zero."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from compute.store.schema import CHECKED, CONTROLS, MOST_REPEATS, N_SIZES

PER_PHOTO = ("photo_methods", "paper_sums", "measure_sums", "specificity_sums", "baseline_sums")
"""Derived tables of sums."""
_Ints = npt.NDArray[np.integer]


def wrong_rows(rows: Mapping[str, int], explainers: int) -> Iterator[tuple[str, str]]:
    """(table, what is wrong) with the numbers of rows, before any is read."""
    if rows["explanations"] > rows["attempts"] * explainers:
        yield "explanations", f"{rows['explanations']} rows for {rows['attempts']} attempts, {explainers} explainers"
    most = {"controls": len(CONTROLS), "repeats": MOST_REPEATS, "baseline_sums": explainers}
    most = dict.fromkeys(PER_PHOTO, 1) | most
    for table, each in most.items():
        if rows[table] > each * rows["explanations"]:
            yield table, f"{rows[table]} rows for {rows['explanations']} explanations"
    if rows["rank_counts"] > 2 * N_SIZES * 2 * explainers**2:  # of two measures; ranks may be halves
        yield "rank_counts", f"{rows['rank_counts']} rows for {explainers} explainers"
    for table in ("case_lists", "case_counts"):
        if rows[table] > rows["attempts"]:
            yield table, f"{rows[table]} rows for {rows['attempts']} attempts"
    if rows["case_methods"] != rows["explanations"]:
        yield "case_methods", f"{rows['case_methods']} rows for {rows['explanations']} explanations"


def wrong_keys(tables: Mapping[str, pa.Table], explainers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(table, what is wrong) with the keys and numbers; each check relies on those before it.

    Args:
        tables: by name, texts as dictionaries; those of each case may be missing, of a large store.
        explainers: their names.
    """
    for name, table in tables.items():
        for field in table.schema:
            if pa.types.is_floating(field.type) and not pc.all(pc.is_finite(table[field.name]), min_count=0).as_py():
                yield name, f"{field.name} is not always a finite number"
    photos, attempts = tables["photos"]["photo_id"], tables["attempts"]
    if not _unique(photos):
        yield "photos", "a photo_id stands twice"
    if not _unique(attempts["case_id"]):
        yield "attempts", "a case_id stands twice"
    photo, rank = _positions(attempts["photo_id"], _texts(photos)), _ints(attempts["region_rank"])
    if (photo < 0).any():
        yield "attempts", "of a photo that `photos` lacks"
    if _twice(photo.astype(np.int64) * 2**16 + rank):
        yield "attempts", "a region of a photo stands twice"
    region, whole = _ints(attempts["region_pixels"]), _ints(attempts["n_pixels"])
    if ((region < 1) | (region > whole)).any():
        yield "attempts", "region_pixels must lie between 1 and n_pixels"
    for name in set(PER_PHOTO) & set(tables):
        yield from ((name, fault) for fault in _wrong_sums(tables[name], _texts(photos), explainers))
    if "explanations" in tables:
        success = attempts["success"].to_numpy()
        yield from _wrong_cases(tables, explainers, region[success], whole[success])


def _wrong_sums(table: pa.Table, photos: pa.Array, explainers: Sequence[str]) -> Iterator[str]:
    """Of a table with a row a photo and method, and perhaps a baseline."""
    names = pa.array(explainers, "str")
    whose = [_positions(table["photo_id"], photos), _positions(table["explainer"], names)]
    whose += [_positions(table["baseline"], names)] if "baseline" in table.schema.names else []
    if any((position < 0).any() for position in whose):
        yield "of a photo or an explainer that the store lacks"
    key = np.zeros(len(table), np.int64)
    for position in whose:
        key = key * max(len(explainers), 1) + position
    if _twice(key):
        yield "a row stands twice"
    for field in table.schema:
        if pa.types.is_integer(field.type) and (_ints(table[field.name]) < 0).any():
            yield f"{field.name} must not be below zero"


def _wrong_cases(
    tables: Mapping[str, pa.Table], explainers: Sequence[str], region: _Ints, whole: _Ints
) -> Iterator[tuple[str, str]]:
    """Of what a store has of each case, whose regions and images have so many pixels."""
    yield from _wrong_checks(tables["explanations"])
    attempts = tables["attempts"]
    cases = _texts(attempts["case_id"].filter(attempts["success"]))
    explained = _keys(tables["explanations"], cases, explainers)
    if (explained < 0).any():
        yield "explanations", "of a case or an explainer that the store lacks"
    if _twice(explained):
        yield "explanations", "an explanation stands twice"
    yield from _wrong_again(tables, cases, explainers, explained)
    for name in ("explanations", "controls", "repeats"):
        case = _positions(tables[name]["case_id"], cases)
        yield from ((name, fault) for fault in _wrong_counts(tables[name], region[case], whole[case]))
    if not np.array_equal(np.sort(_keys(tables["case_methods"], cases, explainers)), np.sort(explained)):
        yield "case_methods", "not each explanation once"
    lists = tables["case_lists"]
    if not _unique(lists["case_id"]) or (_positions(lists["case_id"], cases) < 0).any():
        yield "case_lists", "not each case once"
    for column in (column for column in lists.itercolumns() if pa.types.is_list(column.type)):
        if not pc.all(pc.equal(pc.list_value_length(column), len(explainers)), min_count=0).as_py():
            yield "case_lists", "not a value for each explainer"
        if not pc.all(pc.is_finite(pc.list_flatten(column).drop_null()), min_count=0).as_py():
            yield "case_lists", "not always finite numbers"


def _wrong_again(
    tables: Mapping[str, pa.Table], cases: pa.Array, explainers: Sequence[str], explained: _Ints
) -> Iterator[tuple[str, str]]:
    kinds = {
        "controls": _positions(tables["controls"]["control"], pa.array(CONTROLS, "str")),
        "repeats": _ints(tables["repeats"]["repeat"]).astype(np.int64) - 1,
    }
    for name, kind in kinds.items():
        asked = _keys(tables[name], cases, explainers)
        if (asked < 0).any() or (kind < 0).any() or not np.isin(asked, explained).all():
            yield name, "of an explanation that the store lacks, or of an unknown kind"
        if _twice(asked * 2**8 + kind):
            yield name, "a row stands twice"


def _wrong_counts(table: pa.Table, region: _Ints, whole: _Ints) -> Iterator[str]:
    for name in ("pixels", "hits"):
        if not pc.all(pc.equal(pc.list_value_length(table[name]), N_SIZES), min_count=0).as_py():
            yield f"{name} has not always {N_SIZES} values"
    pixels, hits = (_ints(pc.list_flatten(table[name])).reshape(-1, N_SIZES) for name in ("pixels", "hits"))
    if ((hits < 0) | (hits > pixels) | (hits > region[:, None]) | (pixels > whole[:, None])).any():
        yield "hits must lie between 0 and pixels and region_pixels, and pixels below n_pixels"
    if any((counts[:, 1:] < counts[:, :-1]).any() for counts in (pixels, hits)):
        yield "pixels and hits must not fall as n grows"


def _wrong_checks(explanations: pa.Table) -> Iterator[tuple[str, str]]:
    for name in ("restored", "undone", "transplanted", "appeared"):
        column = explanations[name].drop_null()
        if not pc.all(pc.equal(pc.list_value_length(column), len(CHECKED)), min_count=0).as_py():
            yield "explanations", f"{name} has not always {len(CHECKED)} values"
        values = pc.list_flatten(column)
        if pa.types.is_floating(values.type) and not pc.all(pc.is_finite(values), min_count=0).as_py():
            yield "explanations", f"{name} is not always finite numbers"


def _keys(table: pa.Table, cases: pa.Array, explainers: Sequence[str]) -> _Ints:
    """One integer for each (case, explainer); negative where one is unknown."""
    case, explainer = _positions(table["case_id"], cases), _positions(table["explainer"], pa.array(explainers, "str"))
    return np.where((case < 0) | (explainer < 0), -1, case.astype(np.int64) * len(explainers) + explainer)


def _positions(texts: pa.ChunkedArray, known: pa.Array) -> _Ints:
    """Where each text stands among the known; -1 where it does not."""
    one = texts.unify_dictionaries().combine_chunks()
    at = pc.index_in(one.dictionary, value_set=known).fill_null(-1)
    return np.asarray(_ints(at)[_ints(one.indices)])


def _unique(texts: pa.ChunkedArray) -> bool:
    plain = _texts(texts)
    rising = pc.all(pc.greater(plain[1:], plain[:-1]), min_count=0).as_py()  # as most are: far sooner known
    return rising or len(plain.unique()) == len(plain)


def _twice(keys: _Ints) -> bool:
    return bool((np.diff(np.sort(keys, kind="stable")) == 0).any())


def _texts(texts: pa.ChunkedArray) -> pa.Array:
    return texts.cast(pa.string()).combine_chunks()


def _ints(column: Any) -> _Ints:
    return np.asarray(column.to_numpy())
