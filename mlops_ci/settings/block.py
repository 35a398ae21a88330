"""The base class of all blocks of settings."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_ALIAS = re.compile(r"[\w-]{1,255}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


def _alias(value: str) -> str:
    """Refuse an alias that MLflow cannot have: nothing would ever be in production."""
    if not _ALIAS.fullmatch(value) or _RESERVED.fullmatch(value):
        raise ValueError(
            f"'{value:.60}' cannot be an alias in MLflow: it takes letters, digits, _ and -, and neither"
            " `latest` nor `v1`"
        )
    return value


Alias = Annotated[str, AfterValidator(_alias)]
RelativePath = Annotated[str, Field(min_length=1)]


class Block(BaseModel):
    """A block of settings: immutable, and strict about its keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )
