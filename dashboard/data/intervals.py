"""Means of groups of cases with intervals that respect that cases of one photo are not independent."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from compute.scoring.statistics import resamples


def clustered_means(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Mean and 95 % interval of every group, whole photos resampled.

    Args:
        rows: columns photo_id, `by`, `total` (a sum over cases) and `cases` (how many), one row a photo and group.
        by: what makes a group.

    Returns:
        One row a group in sorted order: `by`, cases, mean, low, high; the ends are NaN where there is one photo.
    """
    groups = rows.groupby(list(by), sort=True, observed=True)
    group, photo = groups.ngroup().to_numpy(), pd.factorize(rows["photo_id"])[0]
    shape = (photo.max(initial=-1) + 1, groups.ngroups)
    totals, cases = np.zeros(shape), np.zeros(shape)
    np.add.at(totals, (photo, group), rows["total"].to_numpy(float))
    np.add.at(cases, (photo, group), rows["cases"].to_numpy(float))
    weights = _weights(int(shape[0]))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ totals) / (weights @ cases)
    found = groups.size().reset_index()[list(by)]
    found["cases"], found["mean"] = cases.sum(axis=0).astype(int), means[0]
    found["low"], found["high"] = np.nan, np.nan
    if len(means) > 1:
        found["low"], found["high"] = np.nanquantile(means[1:], [0.025, 0.975], axis=0)
    return found


@lru_cache(maxsize=4)
def _weights(photos: int) -> npt.NDArray[np.float64]:
    return resamples(photos)
