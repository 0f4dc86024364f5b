"""How often 95 % intervals hold the truth: `python tests/simulate_coverage.py [REPETITIONS]`; 2,000 take minutes.

Made populations resemble a store's: 1 to 10 cases a photo, cases of a photo alike. Also how often Holm's method calls
one of three pairs of explainers different that do not differ.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from compute.reporting.intervals import Means, clustered_means, clustered_shares, holm
from compute.reporting.statistics import CLEAR

CASES = 10
PHOTOS = (3, 6, 10, 20, 50, 112)
CHUNK = 100
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Values of CASES cases a photo, drawn as (photos, repetitions, CASES), and the least and largest of them.

    Without bounds they are 0 and 1, and their mean is a share.
    """

    draw: Callable[[np.random.Generator, tuple[int, int, int]], Reals]
    bounds: tuple[float, float] | None = None

    def means(self, totals: Reals, cases: Reals) -> Means:
        """The intervals that are tried."""
        return clustered_means(totals, cases, bounds=self.bounds) if self.bounds else clustered_shares(totals, cases)


def _jaccard(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    """Mean 0.2, the photos' own from 0.02 to 0.6."""
    level = rng.beta(2, 8, (*shape[:2], 1)).clip(0.01)
    return rng.beta(12 * level, 12 * (1 - level), shape)


def _difference(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    """Mean 0.03, skewed."""
    return rng.gamma(2, 0.05, (*shape[:2], 1)) - 0.07 + rng.normal(0, 0.08, shape)


def _rank_near_2(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    values: Reals = 2 + rng.normal(0, 0.25, (*shape[:2], 1)) + rng.normal(0, 0.35, shape)
    return values.clip(1, 3)


def _rank_scattered(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    """Mean 1.05: a quarter of the cases, on most photos some, are somewhat above 1."""
    some = rng.random(shape) < rng.beta(0.6, 1.8, (*shape[:2], 1))
    return np.asarray(1 + some * rng.gamma(1.5, 0.2 / 1.5, shape).clip(0, 2))


def _rank_hard_photos(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    """Mean 1.05: all from a few photos."""
    some = rng.random(shape) < rng.beta(0.25, 1.5, (*shape[:2], 1))
    return np.asarray(1 + some * rng.gamma(1, 0.35, shape).clip(0, 2))


def _rank_skewed(rng: np.random.Generator, shape: tuple[int, int, int]) -> Reals:
    """Mean 1.05 in twentieths: the photos' own excess is exponential, and again the cases'."""
    excess = rng.gamma(0.8, 0.05 / 0.8, (*shape[:2], 1)) * rng.exponential(1, shape)
    return 1 + np.round(20 * excess.clip(0, 2)) / 20


def _share(a: float, b: float) -> Callable[[np.random.Generator, tuple[int, int, int]], Reals]:
    """Photos' own shares are drawn from a beta distribution."""
    return lambda rng, shape: (rng.random(shape) < rng.beta(a, b, (*shape[:2], 1))).astype(np.float64)


POPULATIONS = {
    "Jaccard index near 0.2": Population(_jaccard, (0, 1)),
    "difference": Population(_difference, (-1, 1)),
    "mean rank near 2": Population(_rank_near_2, (1, 3)),
    "near 1.05, scattered": Population(_rank_scattered, (1, 3)),
    "near 1.05, a few photos": Population(_rank_hard_photos, (1, 3)),
    "near 1.05, skewed": Population(_rank_skewed, (1, 3)),
    "share near 0.5": Population(_share(1.5, 1.5)),
    "share near 0.1": Population(_share(0.8, 7.2)),
    "near 0.1, a few photos": Population(_share(0.2, 1.8)),
    "share near 0.95": Population(_share(3.8, 0.2)),
}


def coverage(population: Population, photos: int, repetitions: int) -> tuple[float, float, float]:
    """Share of the intervals that hold the truth, share of repetitions without an interval, median width."""
    truth = population.draw(np.random.default_rng(0), (100_000, 1, CASES)).mean()
    held, width = [], []
    for start in range(0, repetitions, CHUNK):
        rng = np.random.default_rng([photos, start])
        values = population.draw(rng, (photos, min(CHUNK, repetitions - start), CASES))
        found = population.means(*_sums(values, rng.integers(1, CASES + 1, values.shape[:2])))
        held.append((found.low <= truth) & (truth <= found.high))
        width.append(found.high - found.low)
    widths = np.concatenate(width)
    given = ~np.isnan(widths)
    return float(np.concatenate(held)[given].mean()), float(1 - given.mean()), float(np.median(widths[given]))


def false_alarms(photos: int, repetitions: int) -> float:
    """Share of repetitions in which one of three pairs of equally good explainers is called different."""
    rng = np.random.default_rng(photos)
    alarms = 0
    for start in range(0, repetitions, CHUNK):
        shape = (3, photos, min(CHUNK, repetitions - start), CASES)
        skill = rng.normal(size=(*shape[:3], 1)) + rng.normal(size=shape)
        ranks = skill.argsort(axis=0).argsort(axis=0) + 1.0
        number = rng.integers(1, CASES + 1, shape[1:3])
        pairs = [_sums(ranks[a] - ranks[b], number) for a, b in combinations(range(3), 2)]
        p = [clustered_means(totals, cases, bounds=(-2, 2)).p for totals, cases in pairs]
        alarms += sum(bool((holm(family) < CLEAR).any()) for family in np.transpose(p))
    return alarms / repetitions


def _sums(values: Reals, number: npt.NDArray[np.integer]) -> tuple[Reals, Reals]:
    """(photos, repetitions): totals over the first `number` cases of each photo, and how many those are."""
    kept = np.arange(CASES) < number[..., None]
    return (values * kept).sum(axis=2), number.astype(np.float64)


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    print(f"Share of {repetitions:,} intervals of 95 % that hold the truth; in brackets their median width")
    print(f"{'photos':<26}" + "".join(f"{photos:>14}" for photos in PHOTOS))
    for name, population in POPULATIONS.items():
        found = [coverage(population, photos, repetitions) for photos in PHOTOS]
        print(f"{name:<26}" + "".join(f"{held:>7.3f} [{width:.2f}]" for held, _, width in found), flush=True)
        if any(missing for _, missing, _ in found):
            print(f"{'... without an interval':<26}" + "".join(f"{missing:>7.3f}{'':7}" for _, missing, _ in found))
    alarms = [false_alarms(photos, repetitions) for photos in PHOTOS]
    print(f"{'false alarms of Holm':<26}" + "".join(f"{found:>7.3f}{'':7}" for found in alarms))


if __name__ == "__main__":
    main()
