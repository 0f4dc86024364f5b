"""Means of groups of cases with intervals that respect that cases of one photo are not independent."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from compute.reporting import intervals


def clustered_means(rows: pd.DataFrame, by: Sequence[str], bounds: tuple[float, float] = (0, 1)) -> pd.DataFrame:
    """Mean and 95 % interval over photos of every group.

    Args:
        rows: columns photo_id, `by`, `total` (a sum over cases) and `cases` (how many), one row a photo and group.
        by: what makes a group.
        bounds: the least and the largest value that a case can have.

    Returns:
        One row a group in sorted order: `by`, cases, mean, low, high, p (of a mean of zero); the last three are NaN
        where `compute.reporting.intervals` gives none.
    """
    groups = rows.groupby(list(by), sort=True, observed=True)
    group, photo = groups.ngroup().to_numpy(), pd.factorize(rows["photo_id"])[0]
    shape = (photo.max(initial=-1) + 1, groups.ngroups)
    totals, cases = np.zeros(shape), np.zeros(shape)
    np.add.at(totals, (photo, group), rows["total"].to_numpy(float))
    np.add.at(cases, (photo, group), rows["cases"].to_numpy(float))
    means = intervals.clustered_means(totals, cases, bounds=bounds)
    found = groups.size().reset_index()[list(by)]
    found["cases"] = cases.sum(axis=0).astype(int)
    for column in ("mean", "low", "high", "p"):
        found[column] = getattr(means, column)
    return found
