"""Imports the user's own metric functions, from installed packages and never from the change."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mlops_ci.errors import SettingsError


def load_functions(references: Iterable[str], outside: Path) -> dict[str, Callable[..., Any]]:
    """Import ``package.module:function`` references.

    Parameters
    ----------
    outside
        Top of the repository: what lies in it is the change's code, and is not run where tokens are.

    Raises
    ------
    SettingsError
        If there is no such function, or it is in the repository.
    """
    found: dict[str, Callable[..., Any]] = {}
    for reference in sorted(set(references)):
        module_name, _, name = reference.partition(":")
        path = [entry for entry in sys.path if entry and not _within(Path(entry), outside)]
        before, sys.path = sys.path, path
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise SettingsError(
                "metrics",
                [f"{reference}: cannot be imported: {error}"],
                remedy="install its package beside mlops-ci (the action's input `extra-packages`)",
            ) from None
        finally:
            sys.path = before
        function = getattr(module, name, None)
        if not callable(function):
            raise SettingsError("metrics", [f"{reference}: '{module_name}' has no function '{name}'"])
        found[reference] = function
    return found


def _within(entry: Path, top: Path) -> bool:
    """Return whether a folder is the repository's own; an environment inside it (.venv) is not."""
    resolved = entry.resolve()
    return resolved.is_relative_to(top.resolve()) and "site-packages" not in resolved.parts
