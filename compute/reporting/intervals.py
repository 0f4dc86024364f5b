"""Means over cases with 95 % intervals over photos, by a studentised cluster bootstrap (bootstrap-t).

Cases of one photo are not independent, so whole photos are drawn; a mean is a ratio of sums over photos, its standard
error the linearised one (Rao and Wu 1988, whose draws of one photo fewer are used). `tests/simulate_coverage.py`
measures how often such intervals hold the truth. Shares of cases, often near 0 or 1, have an interval of their own.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, stdtr, stdtrit

LEAST_PHOTOS = 3
"""Fewer give no interval: their spread says next to nothing."""
_FLOOR = 0.1
"""Share of a photo's variance that every draw has at least: a draw of photos that agree has none of its own."""
_MANY = 1_000
"""Photos above which Student's t differs less from the draws' than draws differ among themselves."""
_TOGETHER = 32
"""Groups whose draws are computed at once: more neither stay in a processor's cache nor in memory that is at hand."""
_NO_SPREAD = 1e-12
"""Standard errors up to here are rounding."""

Reals = npt.NDArray[np.float64]


class Means(NamedTuple):
    """Of every group, each (groups,); NaN where there is none.

    Attributes:
        mean: sum of totals over sum of cases; NaN for a group without a case.
        low: lower end of the 95 % interval; NaN from fewer than LEAST_PHOTOS photos, or where all photos agree.
        high: upper end.
        p: two-sided p-value of a mean of zero, below 0.05 exactly where the interval excludes zero. Where all photos
            agree it is the sign test's.
        photos: photos with a case in the group: the units that are drawn.
    """

    mean: Reals
    low: Reals
    high: Reals
    p: Reals
    photos: npt.NDArray[np.intp]


def clustered_means(
    totals: Reals, cases: Reals, *, bounds: tuple[float, float] = (-np.inf, np.inf), seed: int = 0
) -> Means:
    """Mean, interval and p-value of every group.

    Args:
        totals: (photos, groups) sums over a photo's cases in a group.
        cases: (photos, groups) how many those are; a photo without any takes no part in the group.
        bounds: the least and the largest value that a case can have; intervals end there.
        seed: of the draws.
    """
    photos = np.count_nonzero(cases, axis=0)
    found = np.full((4, cases.shape[1]), np.nan)
    for count in np.unique(photos[photos > 0]):
        alike = np.flatnonzero(photos == count)
        for groups in np.split(alike, range(_TOGETHER, len(alike), _TOGETHER)):
            sums, sizes = totals[:, groups], cases[:, groups]
            if count < len(cases):
                own = np.argsort(sizes == 0, axis=0, kind="stable")[:count]
                sums, sizes = (np.take_along_axis(table, own, axis=0) for table in (sums, sizes))
            found[:, groups] = _bootstrap_t(sums, sizes, seed)
    found[1:3] = found[1:3].clip(*bounds)
    mean, low, high, p = found
    return Means(mean, low, high, p, photos)


def clustered_shares(hits: Reals, cases: Reals) -> Means:
    """Share of cases, and its interval, of every group: `hits` out of `cases`, both (photos, groups).

    Clopper and Pearson's interval with the effective number of cases, which has as much to say as cases of as few
    photos do (Korn and Graubard 1998, Survey Methodology 24: 193-201). It lies in 0..1, is no wider near the ends than
    the photos tell, and is there where all photos agree: each then counts as one case. There are no p-values: NaN.
    """
    photos, sizes = np.count_nonzero(cases, axis=0), cases.sum(axis=0)
    share, low, high, p_value = np.full((4, len(photos)), np.nan)
    some = photos > 0
    share[some] = hits[:, some].sum(axis=0) / sizes[some]
    for group in np.flatnonzero(photos >= LEAST_PHOTOS):
        own = cases[:, group] > 0
        p, count = share[group], int(photos[group])
        error = float(_error(hits[own, group] - p * cases[own, group], cases[own, group]))
        effective = min(count if error <= _NO_SPREAD else p * (1 - p) / error**2, sizes[group])
        effective *= (stdtrit(np.inf, 0.975) / stdtrit(count - 1, 0.975)) ** 2
        found, missed = p * effective, (1 - p) * effective
        low[group] = betaincinv(found, missed + 1, 0.025) if found > 0 else 0
        high[group] = betaincinv(found + 1, missed, 0.975) if missed > 0 else 1
    return Means(share, low, high, p_value, photos)


def _error(rest: Reals, cases: Reals) -> Reals:
    """(groups,): the jackknife's standard error; a little wider than the linearised one, the more the fewer photos."""
    photos, sizes = len(rest), cases.sum(axis=0)
    found: Reals = np.sqrt((photos - 1) / photos * ((rest / (1 - cases / sizes)) ** 2).sum(axis=0)) / sizes
    return found


def _bootstrap_t(totals: Reals, cases: Reals, seed: int) -> Reals:
    """(4, groups): mean, low, high, p of (photos, groups) sums in which every photo has cases."""
    photos, sizes = len(totals), cases.sum(axis=0)
    mean = totals.sum(axis=0) / sizes
    if photos < LEAST_PHOTOS:
        return np.stack([mean, *np.full((3, len(mean)), np.nan)])
    rest = totals - mean * cases
    error = _error(rest, cases)
    student = stdtrit(photos - 1, 0.975)
    t_low, t_high = _pivots(rest, cases, seed) if photos <= _MANY else (-student, student)
    low, high = mean - t_high * error, mean - t_low * error
    with np.errstate(invalid="ignore", divide="ignore"):
        # From the interval, so that both say the same (Altman and Bland 2011, BMJ 343: d2304).
        reach = np.where(mean > 0, mean - low, high - mean)
        p = 2 * stdtr(photos - 1, -np.abs(mean) / reach * student)
    agree = error <= _NO_SPREAD
    low[agree] = high[agree] = np.nan
    p[agree] = np.where(np.abs(mean[agree]) <= _NO_SPREAD, 1.0, 2.0 ** (1 - photos))
    return np.stack([mean, low, high, p])


def _pivots(rest: Reals, cases: Reals, seed: int) -> Reals:
    """(2, groups): between which 95 % of the draws' (mean - the sample's mean) / (its standard error) lie."""
    photos, sizes, weights = len(rest), cases.sum(axis=0), _draws(len(rest), seed)
    variance = photos / (photos - 1) * (rest**2).sum(axis=0) / sizes**2
    if (cases == cases[:, :1]).all():  # as mostly: all methods have explained all cases
        cases = cases[:, :1]
    drawn = weights @ cases
    shift = weights @ rest / drawn
    squares = shift * (weights @ cases**2)
    squares -= 2 * (weights @ (rest * cases))
    squares *= shift
    squares += weights @ rest**2
    variances = (photos - 1) / (photos - 2) * squares.clip(0) / drawn**2
    variances = (variances + _FLOOR / photos * variance) / (1 + _FLOOR / photos)
    with np.errstate(invalid="ignore", divide="ignore"):  # by 0 where all photos agree
        found: Reals = np.quantile((shift / np.sqrt(variances)).T.copy(), [0.025, 0.975], axis=1, overwrite_input=True)
    return found


@lru_cache(maxsize=8)
def _draws(photos: int, seed: int) -> Reals:
    """(R, photos) float: how often each photo is drawn, photos - 1 of them in each of R = 2,000 to 4,000 rows."""
    rows = int(np.clip(2_000_000 // photos, 2_000, 4_000))
    drawn = np.random.default_rng(seed).integers(photos, size=(rows, photos - 1))
    flat = (drawn + photos * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * photos).reshape(rows, photos).astype(np.float64)


def holm(p: npt.ArrayLike) -> Reals:
    """Holm's adjusted p-values of one family of tests; NaN, a test that could not be made, is none of the family."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]
    adjusted = np.full(values.shape, np.nan)
    adjusted[order] = np.maximum.accumulate(values[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return adjusted
