"""A merge gate for models: reproduce, compare with the champion on the same rows, report, block."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> module that has it; imported when first asked for, for `--version` shall not load pandas.
_PUBLIC = {
    "compare": "mlops_ci.api",
    "Policy": "mlops_ci.api",
    "drift": "mlops_ci.api_drift",
    "profile": "mlops_ci.api_drift",
    "Verdict": "mlops_ci.core.verdict",
}

__all__ = ["Policy", "Verdict", "__version__", "compare", "drift", "profile"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'mlops_ci' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
