"""Index streams that reuse rows as a recommender does, by a published histogram.

In Meta's dlrm_datasets of 2021 (embedding_bag, 856 tables), 47 % of the rows that are touched are
touched once and take 6.9 % of the accesses; 26 % of the accesses go to rows that are touched more
than 512 times; a touched row is accessed 6.9 times on average. No single Zipf exponent has all
three, so the counts are made in three parts:

- `ONCE` of the rows have a count of 1;
- the frequent rows share `FREQUENT` of the accesses, `FREQUENT_MEAN` each on average, 513 at least;
- the rows between share the rest, each 2 to 512.

Within a part the counts are the quantiles of a power law, whose exponent follows from the part's
sum. The stream is a shuffle of all accesses: it has the histogram of the data, but not its locality
in time.
"""

from __future__ import annotations

import numpy as np

ONCE = 0.47
FREQUENT = 0.26
ACCESSES_PER_ROW = 6.9
FREQUENT_FROM = 513
FREQUENT_MEAN = 1024


def reuse_stream(seed: list[int], rows: int, accesses: int) -> np.ndarray:
    """Return a stream of row numbers, int64; the same for a seed on every machine.

    If a table has fewer rows than the histogram touches, several counts fall on one row.
    """
    counts = reuse_counts(accesses)
    stream = np.repeat(scatter(np.arange(counts.size), rows), counts)
    # Sorted by raw words, since NumPy may change what `Generator.shuffle` does (NEP 19).
    words = np.asarray(np.random.PCG64(seed).random_raw(accesses))
    return np.asarray(stream[np.argsort(words, kind="stable")])


def scatter(ranks: np.ndarray, rows: int) -> np.ndarray:
    """Spread ranks over a table, so that frequent rows are not neighbours.

    By a multiplier coprime to the number of rows, so that different ranks have different rows.
    """
    # Steps of the golden ratio of the table leave few consecutive ranks near each other.
    step = max(1, int(rows * 0.6180339887))
    while np.gcd(step, rows) != 1:
        step += 1
    # Without an offset, the most frequent rank would always be row 0.
    return np.asarray((ranks.astype(np.int64) * step + rows // 3) % rows)


def reuse_counts(accesses: int) -> np.ndarray:
    """Return how often each touched row is accessed, the most frequent first."""
    touched = max(1, round(accesses / ACCESSES_PER_ROW))
    # All other rows need at least two accesses each, and a short stream may have too few.
    once = max(round(touched * ONCE), 2 * touched - accesses)
    shared = round(accesses * FREQUENT)
    # In a short stream not even one row can be frequent.
    frequent = max(1, round(shared / FREQUENT_MEAN)) if shared >= FREQUENT_FROM else 0
    shared = shared if frequent else 0
    between = touched - once - frequent
    return np.concatenate(
        [
            power_law(frequent, shared, FREQUENT_FROM, max(shared, FREQUENT_FROM)),
            power_law(between, accesses - once - shared, 2, FREQUENT_FROM - 1),
            np.ones(once, np.int64),
        ]
    )


def power_law(rows: int, total: int, low: int, high: int) -> np.ndarray:
    """Share a total among rows as the quantiles of a power law on [low, high], largest first."""
    if rows == 0:
        return np.zeros(0, np.int64)
    quantiles = 1 - (np.arange(rows) + 0.5) / rows
    flat, steep = -4.0, 12.0
    # Bisection, as the sum falls when the exponent grows; 60 steps exhaust a float64.
    for _ in range(60):
        exponent = (flat + steep) / 2
        counts = _quantiles(quantiles, low, high, exponent)
        flat, steep = (exponent, steep) if counts.sum() > total else (flat, exponent)
    # The steep end has at most the total, so only few accesses are left to add.
    return _settle(_quantiles(quantiles, low, high, steep), total, low, high)


def _quantiles(quantiles: np.ndarray, low: int, high: int, exponent: float) -> np.ndarray:
    """Return the rounded quantiles of a density x ** -exponent between two counts."""
    # The values are rounded in the end, so the range is half a step wider on each side.
    edges = np.array([low - 0.5, high + 0.5])
    power = 1 - exponent
    # The integral of 1/x is a logarithm, not a power.
    if abs(power) < 1e-9:
        values = edges[0] * (edges[1] / edges[0]) ** quantiles
    else:
        start, end = edges**power
        values = (start + quantiles * (end - start)) ** (1 / power)
    return np.asarray(np.clip(np.rint(values), low, high).astype(np.int64))


def _settle(counts: np.ndarray, total: int, low: int, high: int) -> np.ndarray:
    """Correct the total for rounding, by one access a row at a time."""
    missing = total - int(counts.sum())
    while missing:
        step = 1 if missing > 0 else -1
        (able,) = np.nonzero(counts < high if missing > 0 else counts > low)
        if not able.size:
            raise ValueError(f"{len(counts)} rows of {low} to {high} accesses cannot share {total}")
        chosen = able[: abs(missing)]
        counts[chosen] += step
        missing -= step * chosen.size
    return counts
