"""Fetches the commits of a change into a clone that lacks them; nothing is checked out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlops_ci.adapters.git_remote import GitCommand, remote_environment

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
    git = GitCommand(
        root,
        remote_environment(url, token, environ),
        path=environ.get("PATH"),
        # In a container the checkout may belong to another user.
        options=("gc.auto=0", f"safe.directory={root}"),
        timeout=_TIMEOUT,
    )
    options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
    wanted = f"+{reference}:refs/mlops-ci/{reference.removeprefix('refs/')}"
    done = git.run("fetch", *options, "--", url, wanted)
    said = " ".join(done.stderr.decode(errors="replace").split())
    return "" if done.returncode == 0 else said[-300:] or "it said nothing"
