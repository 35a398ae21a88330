"""What a release must have, checked before it is built: `python scripts/check_release.py v1.2.3 acme/mlops-ci`.

The tag is the version of the package; the changelog has a section of that version; the stored public surface is
current, so that the next release is compared with this one; and the reusable workflows of the tagged commit name
the code of the commit before it, from which nothing else differs. Without a repository that last part, which
`scripts/dev release` brings about, is left out.
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


def reusable(root: Path = ROOT) -> list[Path]:
    """Return the workflows that others call."""
    folder = root / ".github" / "workflows"
    return [
        path
        for path in sorted(folder.glob("*.yml"))
        if "\n  workflow_call:" in path.read_text(encoding="utf-8")
    ]


def code(root: Path = ROOT) -> str:
    """Return `owner/name@commit` that the reusable workflows name, empty where they do not name one alone."""
    pattern = re.compile(r"^ +(?:- )?uses: (\S+/mlops-ci@\S+)", re.MULTILINE)
    named = {used for path in reusable(root) for used in pattern.findall(path.read_text(encoding="utf-8"))}
    return named.pop() if len(named) == 1 else ""


def unnamed(tag: str, repository: str, root: Path = ROOT) -> list[str]:
    """Return what keeps the reusable workflows from being this release's, a sentence each."""
    used = code(root)
    remedy = f"tag with `scripts/dev release {repository} {tag}`"
    owner, _, commit = used.partition("@")
    if owner != repository or not re.fullmatch("[0-9a-f]{40}", commit):
        return [f"the reusable workflows use '{used or 'several'}', not a commit of {repository}: {remedy}"]
    done = subprocess.run(
        ["git", "diff", "--name-only", commit, "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return [f"the commit {commit[:12]}, which the reusable workflows use, is not here: {remedy}"]
    ours = {path.relative_to(root).as_posix() for path in reusable(root)}
    others = sorted(set(done.stdout.split()) - ours)
    return (
        [f"the reusable workflows use {commit[:12]}, where {', '.join(others[:3])} is other: {remedy}"]
        if others
        else []
    )


def surface_problems(root: Path = ROOT) -> list[str]:
    """Return whether the stored public surface is current."""
    done = subprocess.run([sys.executable, str(root / "scripts" / "surface.py"), "--check"], check=False)
    return ["the stored public surface is not current"] if done.returncode else []


if __name__ == "__main__":
    wrong = [*problems(sys.argv[1]), *surface_problems()]
    if len(sys.argv) > 2:
        wrong += unnamed(*sys.argv[1:3])
    for one in wrong:
        print(f"release: {one}", file=sys.stderr)
    sys.exit(bool(wrong))
