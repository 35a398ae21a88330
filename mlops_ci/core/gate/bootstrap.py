"""The paired bootstrap: both models on the same resamples, in bounded memory.

Resamples are weights: how often each row is drawn. Metrics that only see a table of counts draw the
table (a resample of rows makes a multinomial one); rankings and sums take a weight matrix of rows by
resamples, by chunks of `CHUNK_BYTES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Weights = NDArray[np.uint8]

RESAMPLES = 2000
#: Memory of one chunk of the weight matrix; a few times this is needed in all.
CHUNK_BYTES = 2**25
#: More rows than this are drawn independently (Poisson), which is as good and five times faster.
EXACT_ROWS = 4000
#: Rows that are added up in bytes: no row is ever drawn more than 15 times (chance below 1e-13).
PIECE = 16
#: More different scores than this are compared in as many blocks.
BLOCKS = 4096


def weight_chunks(n: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Weights]:
    """Yield how often each row is drawn, shape (n, k), k resamples at a time; k is a multiple of 8.

    References
    ----------
    Efron (1979), Annals of Statistics 7, 1-26; with Poisson(1) weights, Hanley and MacGibbon (2006),
    Computer Methods and Programs in Biomedicine 83, 57-62.
    """
    rng = np.random.default_rng([seed, n])
    width = int(np.clip(CHUNK_BYTES // n, 8, 256)) // 8 * 8
    table = _poisson_table()
    for start in range(0, resamples, width):
        k = min(width, resamples - start)
        if n > EXACT_ROWS:
            yield table[rng.integers(0, len(table), size=(n, k), dtype=np.uint16)]
        else:
            drawn = rng.integers(0, n, size=(n, k)) * k + np.arange(k)
            yield np.bincount(drawn.ravel(), minlength=n * k).reshape(n, k).astype(np.uint8)


def _poisson_table() -> Weights:
    """Return 65,536 equally likely draws of a Poisson variable of mean 1."""
    chances = np.cumsum(np.exp(-1.0) / np.array([1, 1, 2, 6, 24, 120, 720, 5040, 40320]))
    return np.searchsorted(chances, (np.arange(65536) + 0.5) / 65536).astype(np.uint8)


def resample_counts(
    cells: Ints, value: Callable[[Floats], Floats], seed: int, resamples: int = RESAMPLES
) -> Floats:
    """Return a metric of a table of counts in every resample.

    Parameters
    ----------
    cells
        Observed counts, shape (m,).
    value
        From counts, shape (B, m), to both models' values, shape (B, 2).
    """
    rng = np.random.default_rng([seed, int(cells.sum())])
    return value(rng.multinomial(int(cells.sum()), cells / cells.sum(), size=resamples).astype(np.float64))


class Ranked:
    """Rows in blocks of equal (or, if there are many, similar) score, to sum resamples by block.

    Parameters
    ----------
    score
        Shape (n,); blocks go from the highest to the lowest.
    split
        Rows to be added up apart, shape (n,) of bool: the positives.
    exact
        Never merge neighbouring scores.
    """

    def __init__(self, score: Floats, split: NDArray[np.bool_], *, exact: bool = False) -> None:
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        block = np.concatenate([[0], np.cumsum(ranked[1:] != ranked[:-1])])
        if block[-1] >= BLOCKS and not exact:
            # Cut anew wherever a share of the positives, or of all rows, is full: where precision moves
            # fast, the blocks are small.
            first = np.concatenate([[0], np.flatnonzero(np.diff(block)) + 1])
            place = _even(np.cumsum(split[order])) + _even(np.arange(1, len(order) + 1))
            block = np.concatenate([[0], np.cumsum(np.diff(place[first]) > 0)])[block]
        apart = np.argsort(2 * block + split[order], kind="stable")
        order, block = order[apart], block[apart]
        self.order = order
        self.blocks = int(block[-1]) + 1
        key = 2 * block + split[order]
        starts = np.concatenate([[0], np.flatnonzero(np.diff(key)) + 1])
        self.keys = key[starts]
        # Runs are added up in pieces short enough for bytes, eight bytes at a time: four times faster.
        pieces = -(-np.diff(np.append(starts, len(key))) // PIECE)
        self.runs = np.concatenate([[0], np.cumsum(pieces)[:-1]])
        within = np.arange(int(pieces.sum())) - np.repeat(self.runs, pieces)
        self.pieces = np.repeat(starts, pieces) + PIECE * within

    def sums(self, weights: Weights) -> tuple[Floats, Floats]:
        """Return drawn rows by block, the split ones and the others, each of shape (blocks, k)."""
        eights = np.take(weights, self.order, axis=0).view(np.uint64)
        short = np.add.reduceat(eights, self.pieces, axis=0).view(np.uint8)
        added = np.add.reduceat(short, self.runs, axis=0, dtype=np.int32)
        apart = np.zeros((self.blocks, 2, weights.shape[1]), dtype=np.float32)
        apart[self.keys // 2, self.keys % 2] = added
        return apart[:, 1], apart[:, 0]


def _even(count: Ints) -> Ints:
    return count * (BLOCKS // 2) // max(int(count[-1]), 1)


def resample_ranked(
    sides: tuple[Ranked, ...],
    value: Callable[[Floats, Floats], Floats],
    n: int,
    seed: int,
    resamples: int = RESAMPLES,
) -> Floats:
    """Return a metric of both models' rankings in every resample, shape (B, 2).

    `value` goes from rows by block, split and other, each of shape (blocks, k), to values, shape (k,).
    """
    parts = [
        np.stack([value(*side.sums(weights)) for side in sides], axis=1)
        for weights in weight_chunks(n, seed, resamples)
    ]
    return np.concatenate(parts)


def resample_sums(
    columns: Floats, value: Callable[[Floats], Floats], seed: int, resamples: int = RESAMPLES
) -> Floats:
    """Return a metric of sums over rows in every resample.

    Parameters
    ----------
    columns
        What is added up, shape (n, c).
    value
        From means of the columns, shape (B, c), to both models' values, shape (B, 2).
    """
    n = len(columns)
    centre = columns.mean(axis=0)
    centred = (columns - centre).astype(np.float64)
    means = []
    for weights in weight_chunks(n, seed, resamples):
        drawn = weights.T.astype(np.float64)
        means.append(centre + drawn @ centred / drawn.sum(axis=1, keepdims=True))
    return value(np.concatenate(means))


def recall_of_blocks(positives: Floats, negatives: Floats, fpr: float) -> Floats:
    """Return the recall at a false positive rate of rows by block, shape (k,)."""
    hits, alarms = np.cumsum(positives, axis=0), np.cumsum(negatives, axis=0)
    with np.errstate(invalid="ignore"):
        allowed = (alarms <= (fpr + 1e-9) * alarms[-1]).sum(axis=0)
        found = np.concatenate([np.zeros((1, hits.shape[1])), hits])
        return np.asarray(found[allowed, np.arange(hits.shape[1])] / hits[-1])


def quantile_of_blocks(split: Floats, other: Floats, order: Floats, level: float) -> Floats:
    """Return the quantile of values drawn by block (descending `order`), shape (k,)."""
    del split
    reached = np.cumsum(other[::-1], axis=0)
    place = (reached < (level - 1e-9) * reached[-1]).sum(axis=0)
    return np.asarray(order[::-1][np.minimum(place, len(order) - 1)])
