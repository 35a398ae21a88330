"""Finds MLflow addresses, registered models and frameworks in source code by text search; runs nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MANY, _LARGE = 400, 300_000
_URI = re.compile(r"""set_tracking_uri\(\s*(?:uri\s*=\s*)?["']([^"'{}]+)["']""")
_VARIABLE = re.compile(r"""MLFLOW_TRACKING_URI["']?\]?\s*[:=]\s*["']?([^\s"'#{}$]+)""")
_REGISTERED = (
    re.compile(r"""registered_model_name\s*=\s*["']([^"'{}]+)["']"""),
    re.compile(r"""register_model\([^,()]+,\s*(?:name\s*=\s*)?["']([^"'{}]+)["']"""),
    re.compile(r"""models:/([A-Za-z0-9_.-]+)[/@]"""),
)
_IMPORT = re.compile(
    r"^\s*(?:import|from)\s+(sklearn|torch|xgboost|lightgbm|tensorflow|keras|mlflow)\b", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class Code:
    """What was found in the source code."""

    tracking_uri: str = ""
    tracking_from: str = ""
    registered: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()


def read_code(root: Path, files: list[str]) -> Code:
    """Read Python files, and those that set variables, as text.

    Parameters
    ----------
    files
        Paths in the repository; the first few hundred are looked at.
    """
    scripts = [name for name in files if name.endswith(".py")][:_MANY]
    settings = [
        name for name in files if Path(name).name in {".env", ".env.example", "MLproject", "Makefile"}
    ]
    settings += [name for name in files if name.startswith(".github/workflows/")]
    uri = where = ""
    registered: dict[str, None] = {}
    frameworks: dict[str, None] = {}
    # The evaluation's framework counts first: it is where the predictions are written.
    for name in sorted(scripts, key=lambda one: "eval" not in one.lower()) + settings:
        text = _text(root / name)
        for pattern in (_URI, _VARIABLE):
            found = pattern.search(text)
            if found and not uri:
                uri, where = found[1], name
        registered |= dict.fromkeys(match for pattern in _REGISTERED for match in pattern.findall(text))
        if name.endswith(".py"):
            frameworks |= dict.fromkeys(_IMPORT.findall(text))
    if "keras" in frameworks:
        frameworks["tensorflow"] = None
    known = tuple(name for name in frameworks if name not in {"mlflow", "keras"})
    return Code(
        tracking_uri=uri,
        tracking_from=where,
        registered=tuple(registered),
        frameworks=known,
        scripts=tuple(scripts),
    )


def _text(path: Path) -> str:
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGE:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
