"""Holdout reuse: how often one holdout may be asked, since each promotion of a lucky candidate biases it."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.core.policy import Strict

#: Promotions on one holdout after which fresh rows are recommended: of equal models, one in six of
#: the candidates that come then looks falsely worse, where one in twenty was allowed.
MANY_PROMOTIONS = 5


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What reuse leaves of a holdout: the error rate of this check, and notices.

    Attributes
    ----------
    alpha
        One-sided error rate of each bound in this check.
    notices
        Sentences for the reader.
    spent
        True if no check is left; the verdict is then an error.
    """

    alpha: float
    notices: tuple[str, ...] = ()
    spent: bool = False


def allowance(alpha: float, strict: Strict | None, uses: int, promotions: int | None) -> Allowance:
    """Return the allowance of a holdout after its earlier uses.

    Parameters
    ----------
    alpha
        The policy's error rate, over all uses if strict.
    strict
        How alpha is spent, or None.
    uses
        Different candidates that were judged on this holdout before; identical ones cost nothing.
    promotions
        Champions that were chosen on this holdout, or None if that is not known.

    Notes
    -----
    With no adaptivity (nobody learns a verdict before the last use) the union bound over N uses is
    alpha / N. With full adaptivity, each use tells its author one bit, so that 2^N paths of candidates
    are possible: alpha / 2^N. See Karlas et al. (2019), Building continuous integration services for
    machine learning, MLSys.
    """
    said: list[str] = []
    if promotions is not None and promotions >= MANY_PROMOTIONS:
        said.append(
            f"{promotions} champions were chosen on this holdout, each a little lucky on it, so that good "
            "candidates now look worse than they are: judge on fresh rows."
        )
    if strict is None:
        return Allowance(alpha=alpha, notices=tuple(said))
    if uses >= strict.uses:
        said.append(f"This holdout's {strict.uses} uses are spent (gate.strict.uses): judge on fresh rows.")
        return Allowance(alpha=alpha, notices=tuple(said), spent=True)
    share = alpha / strict.uses if strict.adaptivity == "none" else alpha / 2.0**strict.uses
    said.append(
        f"Use {uses + 1} of {strict.uses} of this holdout; each bound errs at most {share:.2g} of the time."
    )
    return Allowance(alpha=share, notices=tuple(said))
