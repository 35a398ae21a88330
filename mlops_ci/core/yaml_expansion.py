"""A limit on YAML aliases: a few lines can expand to a huge tree ("billion laughs")."""

from __future__ import annotations

from typing import Any

MOST = 1_000_000


def expands_beyond(value: Any, most: int = MOST) -> bool:
    """Return whether a value has more than `most` nodes once all aliases are expanded."""
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
