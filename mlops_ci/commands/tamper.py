"""Which parts of its own gate a change edits: told in the first lines, and in need of approval."""

from __future__ import annotations

from mlops_ci.adapters.ports import Repository
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.report import Source
from mlops_ci.settings import Settings


def approvals_needed(
    repository: Repository, source: Source, settings: Settings, config: str, manifest: Manifest
) -> list[str]:
    """Return why someone has to approve this change, whatever its numbers say."""
    if not source.base or source.base == source.head:
        return []
    changed = repository.changed(source.base, source.head)
    return [
        f"this change edits `{path}`"
        for path in changed
        if path == config and repository.read(source.base, path)
    ]
