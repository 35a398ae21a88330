"""Parses JSON from an untrusted source: bounded, without NaN, duplicate keys or lone surrogates."""

from __future__ import annotations

import json
import math
from typing import Any

DEPTH = 64
INTEGER = 2**63


def parse(data: bytes) -> Any:
    """Return the value of a JSON text.

    Raises
    ------
    ValueError
        If it is not JSON in UTF-8, nests deeper than 64, names a key twice (readers differ in which one
        counts), or holds a number that is not finite, an integer beyond 64 bits, or half a character.
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_number,
            parse_float=_number,
            parse_int=_integer,
            object_pairs_hook=_object,
        )
    except RecursionError:
        raise ValueError(f"it nests deeper than {DEPTH}") from None
    waiting = [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        if depth > DEPTH:
            raise ValueError(f"it nests deeper than {DEPTH}")
        if isinstance(one, str):
            one.encode()
        elif isinstance(one, (dict, list)):
            waiting += [(item, depth + 1) for item in (one.values() if isinstance(one, dict) else one)]
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object names a key twice")
    for key in made:
        key.encode()
    return made


def _number(text: str) -> float:
    """Refuse NaN and infinity, including numbers such as 1e999 that overflow to it."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.20} is not a finite number")
    return value


def _integer(text: str) -> int:
    # Python itself refuses texts of more than 4,300 digits.
    value = int(text)
    if abs(value) >= INTEGER:
        raise ValueError(f"{text:.20} is too large an integer")
    return value
