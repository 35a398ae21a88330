"""The repository and ref that mlops-ci was installed from, for workflows: `owner/mlops-ci@ref`."""

from __future__ import annotations

import json
import re
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from mlops_ci.adapters.git import GitRepository
from mlops_ci.errors import MlopsCiError

_SOURCE = ("source", "repository", "homepage", "source code", "code")


def action_reference(name: str = "mlops-ci") -> str | None:
    """Return the action's reference for a workflow, or None if the installation does not tell.

    What was installed from git names its commit (PEP 610); a checkout that one works in, its remote and
    HEAD; a release, the repository in its metadata and the tag of its version.
    """
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    told = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "vcs_info" in told:
        return _reference(str(told.get("url", "")), str(told["vcs_info"].get("commit_id", "")))
    if "dir_info" in told:
        return _of_checkout(Path(urlsplit(str(told.get("url", ""))).path))
    urls = dict(_pair(line) for line in distribution.metadata.get_all("Project-URL") or [])
    home = next((urls[key] for key in _SOURCE if key in urls), "")
    return _reference(home, f"v{distribution.version}")


def _of_checkout(folder: Path) -> str | None:
    try:
        repository = GitRepository(folder)
        return _reference(repository.remote_url() or "", repository.head())
    except MlopsCiError:
        return None


def _pair(line: str) -> tuple[str, str]:
    label, _, url = line.partition(",")
    return label.strip().lower(), url.strip()


def _reference(url: str, ref: str) -> str | None:
    """Return `owner/name@ref` of an address on a forge; a path on this machine is none."""
    found = re.search(r"^(?:\w+://|git@)[^/:]+(?::\d+)?[/:]([\w.-]+/[\w./-]+?)(?:\.git)?/?$", url)
    return f"{found[1]}@{ref}" if found and ref else None
