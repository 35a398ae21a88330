"""Fetches the commits of a change into a clone that lacks them; nothing is checked out."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mlops_ci.adapters.git_remote import remote_environment

_TIMEOUT = 300


def fetch_change(
    root: Path, url: str, reference: str, token: str | None, environ: Mapping[str, str] = os.environ
) -> str:
    """Fetch a ref of a remote into ``refs/mlops-ci/``; return the problem, or an empty string.

    The workflow that reports on forks checks out the default branch: what the fork edits is read from
    git's objects, and its files never come to lie in the work tree.

    Parameters
    ----------
    token
        For that remote alone; it stands in no argument list and in no file.
    """
    git = shutil.which("git", path=environ.get("PATH")) or "git"
    options: tuple[str, ...] = (
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "gc.auto=0",
    )
    options += ("-c", f"safe.directory={root}")  # in a container it may belong to another user
    fetch = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    wanted = f"+{reference}:refs/mlops-ci/{reference.removeprefix('refs/')}"
    try:
        done = subprocess.run(
            [git, *options, *fetch, "--", url, wanted],
            cwd=root,
            env=remote_environment(url, token, environ),
            capture_output=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_TIMEOUT} s"
    said = " ".join(done.stderr.decode(errors="replace").split())
    return "" if done.returncode == 0 else said[-300:] or "it said nothing"
