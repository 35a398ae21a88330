"""A bound on values that refer to themselves: YAML's anchors make a huge tree of a few lines."""

from __future__ import annotations

from typing import Any

MOST = 1_000_000


def unfolds(value: Any, most: int = MOST) -> bool:
    """Say whether a value of mappings and lists has more than `most` nodes with all references followed."""
    waiting = [value]
    for _ in range(most):
        if not waiting:
            return False
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, (list, tuple, set)):
            waiting += one
        if len(waiting) > most:
            return True
    return bool(waiting)
