"""A bare git remote with a ledger on it, and entries to write."""

from __future__ import annotations

import subprocess
from itertools import count
from pathlib import Path

from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.core.ledger import Entry

MODEL = "malware-detector"
_NAMES = count()


def bare_remote(folder: Path) -> Path:
    """Make an empty bare repository."""
    remote = folder / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True)
    return remote


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


def ledger(remote: Path, name: str | None = None, **options: object) -> GitLedger:
    """Return a writer with a clone of its own."""
    folder = remote.parent / (name or f"writer-{next(_NAMES)}")
    return GitLedger(str(remote), folder, **options)  # type: ignore[arg-type]


def intent(to: str, nonce: str | None = None, model: str = MODEL, **values: object) -> Entry:
    """Return an intent to promote."""
    return Entry(
        event="promote",
        phase="intent",
        model=model,
        nonce=nonce or f"nonce-{next(_NAMES)}",
        time="2026-01-01T00:00:00Z",
        to_version=to,
        **values,  # type: ignore[arg-type]
    )
