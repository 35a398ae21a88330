"""The base class of all blocks of settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RelativePath = Annotated[str, Field(min_length=1)]


class Block(BaseModel):
    """A block of settings: immutable, and strict about its keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )
