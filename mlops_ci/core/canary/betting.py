"""An e-process for a bounded mean by betting: it assumes only the bound, no model of the outcomes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CAUTION = 0.75
"""Largest share of the capital that one bet may cost."""
MEMORY = 300
"""As how many blocks of the present window all earlier windows count at most."""

Array = NDArray[np.float64]


def stakes(x: Array, n: Any, squares: Any, *, hoped: float, bound: float) -> Array:
    """Return the stake on each block of a window, from the blocks before it alone.

    Parameters
    ----------
    x
        Shape (..., blocks): the window's outcomes in the order dealt. Block j's stake sees those before j.
    n, squares
        Number and sum of squares of the x of *earlier windows*; numbers or arrays of shape (...).
    hoped
        The mean of x that the test should be good at finding.
    bound
        x >= -bound.

    Returns
    -------
    ndarray
        Of x's shape: lambda in [0, CAUTION / bound].

    Notes
    -----
    lambda = mu / E[x^2] maximises the expected growth to second order (aGRAPA). The second moment is
    learned, mu is not: a learned mean is noisy just when it matters, and cost power at every true
    difference that was tried (docs/benchmarks/canary.md).

    A window may be unlike those before, as day is unlike night. So the second moment is learned inside
    the window too, and earlier windows count as many blocks as there were, at most MEMORY, times
    exp(-z^2), with z the distance of the window's squares so far from what they foretold. All of it is
    known before the block that is bet on, so validity does not hang on how well it fits.

    References
    ----------
    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2023: any
    stake that is a function of the past gives an e-process; aGRAPA is one of theirs.
    """
    n, squares = np.asarray(n, dtype=float)[..., None], np.asarray(squares, dtype=float)[..., None]
    seen = np.arange(x.shape[-1])
    inside = np.zeros_like(x, dtype=float)
    np.cumsum(x[..., :-1] ** 2, axis=-1, out=inside[..., 1:])
    foretold = (squares + 0.25) / (n + 1)
    unlike = (inside - seen * foretold) ** 2 / (seen * foretold + 1)
    weight = np.minimum(n + 1, MEMORY) * np.exp(-unlike)
    second = (weight * foretold + inside + 0.25) / (weight + seen + 1)
    return np.asarray(np.clip(hoped / np.maximum(second, hoped**2), 0.0, CAUTION / bound))


def log_e_of_block(x: Array, lambda_: Any) -> Array:
    """Return the log of what one window multiplies the evidence against "E x <= 0" by.

    Parameters
    ----------
    x
        Shape (..., blocks): independent given the past, each at least ``-bound``.
    lambda_
        A stake, or one a block: each may depend on earlier blocks, and not on its own.
    """
    return np.asarray(np.log1p(np.asarray(lambda_) * x).sum(axis=-1))


def differences(champion: Array, challenger: Array, rng: np.random.Generator) -> Array:
    """Split a window's units into small blocks with both arms; return each block's difference of means.

    Parameters
    ----------
    champion, challenger
        Outcomes of the window's units, each between 0 and 1.
    rng
        Deals; it must not know the outcomes. Seeded by the window's name, it deals the same again.

    Returns
    -------
    ndarray
        Shape (min of both counts,): mean of the challenger's outcomes in the block less the champion's.

    Notes
    -----
    Blocks share no unit, so their differences are independent given the past, each with mean
    theta1 - theta0. Subtracting one mean of the whole window's champion from every challenger unit
    would not do: the terms then share that mean's error, and at a share of 50% the product is no
    e-process any more.
    """
    blocks = min(len(champion), len(challenger))
    if blocks == 0:
        return np.empty(0)
    return _means(challenger, blocks, rng) - _means(champion, blocks, rng)


def _means(values: Array, blocks: int, rng: np.random.Generator) -> Array:
    place = np.arange(len(values)) % blocks
    sums = np.bincount(place, weights=rng.permutation(values), minlength=blocks)
    return np.asarray(sums / np.bincount(place, minlength=blocks))
