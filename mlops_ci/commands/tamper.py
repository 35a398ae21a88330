"""Which parts of its own gate a change edits: told in the first lines, and in need of approval."""

from __future__ import annotations

import posixpath

from mlops_ci.commands.tools import Tools
from mlops_ci.core.report import Source
from mlops_ci.core.tamper import Guarded, changed_gate_files
from mlops_ci.settings import Settings


def approvals_needed(settings: Settings, tools: Tools, source: Source, config: str) -> list[str]:
    """Return why someone has to approve this change, whatever its numbers say.

    Read from git, at the target branch's tip and at the change's head, never from the evidence.

    Parameters
    ----------
    config
        Path of the settings file, relative to the repository.
    """
    repository, pipeline = tools.repository, tools.pipeline()
    head = source.head if repository.resolve(source.head) else repository.head()
    if not source.base or source.base == head or repository.read(source.base, config) is None:
        return []
    changed = repository.changed(source.base, head)
    if not changed:
        return []
    top = posixpath.normpath(posixpath.join(posixpath.dirname(config), settings.pipeline.directory))
    guarded = Guarded(
        config=config,
        folder=top,
        predictions=_inside(settings, settings.evaluation.predictions),
        holdout=_inside(settings, settings.evaluation.holdout),
        score_command=settings.evaluation.score_command,
    )
    found = changed_gate_files(
        guarded,
        changed,
        before=pipeline.stages_at(source.base),
        after=pipeline.stages_at(head),
        locks_before=pipeline.environment_locks(source.base),
        locks_after=pipeline.environment_locks(head),
    )
    return [change.text for change in found]


def _inside(settings: Settings, path: str | None) -> str | None:
    """Return a path of the settings relative to the DVC project, as stages have it."""
    return posixpath.relpath(path, settings.pipeline.directory) if path else None
