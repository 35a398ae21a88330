"""What a release must have, checked before it is built: `python scripts/check_release.py v1.2.3`.

The tag is the version of the package; the changelog has a section of that version; the stored public surface is
current, so that the next release is compared with this one.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what is missing for a release of this tag, a sentence each."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = (root / "mlops_ci" / "__init__.py").read_text(encoding="utf-8")
    written = re.search(r'^__version__ = "([^"]+)"', package, re.MULTILINE)
    found = []
    if tag != f"v{project['version']}":
        found.append(f"the tag is {tag}, pyproject.toml says {project['version']}")
    if written is None or written[1] != project["version"]:
        found.append("mlops_ci.__version__ is not the version of pyproject.toml")
    if not notes(project["version"], root):
        found.append(f"CHANGELOG.md has no section '## {project['version']}' with something in it")
    return found


def notes(version: str, root: Path = ROOT) -> str:
    """Return the changelog's section of a version; empty where there is none."""
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?[^\n]*\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    return found[1].strip() if found else ""


if __name__ == "__main__":
    wrong = problems(sys.argv[1])
    surface = [sys.executable, str(ROOT / "scripts" / "surface.py"), "--check"]
    if subprocess.run(surface, check=False).returncode:
        wrong.append("the stored public surface is not current")
    for one in wrong:
        print(f"release: {one}", file=sys.stderr)
    sys.exit(bool(wrong))
