"""Detects changes to the gate itself (policy, evaluation, environment), which need approval."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from mlops_ci.commands.tools import Tools
from mlops_ci.core.lineage import Stage
from mlops_ci.core.reachable import PROGRAMS, reachable
from mlops_ci.core.report import Source
from mlops_ci.core.tamper import ACTIONS, OUR_NAME, WORKFLOWS, Guarded, changed_gate_files, maker
from mlops_ci.errors import UsageError
from mlops_ci.settings import Settings


def approvals_needed(settings: Settings, tools: Tools, source: Source, config: str) -> list[str]:
    """Return why this change needs approval, whatever its numbers are.

    Read from git, at the target branch's tip and at the change's head, never from the evidence.

    Parameters
    ----------
    config
        Path of the settings file, relative to the repository.

    Raises
    ------
    UsageError
        If the change's head is not in this clone: what it edits could not be told.
    """
    repository, pipeline = tools.repository, tools.pipeline()
    head = repository.resolve(source.head) if source.head else repository.head()
    if head is None:
        raise UsageError(
            f"the change's head {source.head[:12]} is not in this clone, so what it edits cannot be told",
            remedy="check out the whole history: `fetch-depth: 0` in actions/checkout",
        )
    if not source.base or source.base == head or repository.read(source.base, config) is None:
        return []
    changed = repository.changed(source.base, head)
    if not changed:
        return []
    top = posixpath.normpath(posixpath.join(posixpath.dirname(config), settings.pipeline.directory))
    guarded = Guarded(
        config=config,
        folder=top,
        evidence=_evidence(settings),
        holdout=_inside(settings, settings.evaluation.holdout),
        score_command=settings.evaluation.score_command,
    )
    code = any(path.endswith(PROGRAMS) for path in changed)
    stages = {revision: pipeline.stages_at(revision) for revision in (source.base, head)}
    found = changed_gate_files(
        guarded,
        changed,
        before=stages[source.base],
        after=stages[head],
        locks_before=pipeline.environment_locks(source.base),
        locks_after=pipeline.environment_locks(head),
        imported={path for at in stages if code for path in _reached(tools, guarded, at, stages[at])},
        unreadable={path for at in stages for path in pipeline.unreadable_at(at)},
        workflows=[path for path in changed if _runs_the_gate(tools, path, (source.base, head))],
    )
    # Git's names are bytes: one that is no UTF-8 could not be written into any report.
    return [change.text.encode("utf-8", "backslashreplace").decode() for change in found]


def _runs_the_gate(tools: Tools, path: str, revisions: Sequence[str]) -> bool:
    """Return whether a CI file runs this gate, before or after the change.

    A workflow that never names it is other business: holding every bump of an action would teach people to
    approve without reading.
    """
    if not path.startswith(WORKFLOWS):
        return False
    if path.startswith(ACTIONS):
        return True  # a step of the gate's own workflow may use it
    try:
        return any(OUR_NAME in (tools.repository.read(at, path) or b"") for at in revisions)
    except UsageError:
        return True  # a link: what it leads to cannot be told


def _evidence(settings: Settings) -> tuple[str, ...]:
    """Return the files that decide the verdict; a scalar's file counts if the policy gates on it."""
    scalars = [one.from_.partition(":")[0] for one in settings.metrics.values() if one.from_ and one.gate]
    named = [settings.evaluation.predictions, *scalars]
    return tuple(dict.fromkeys(path for path in (_inside(settings, one) for one in named) if path))


def _reached(tools: Tools, guarded: Guarded, revision: str, stages: Sequence[Stage]) -> set[str]:
    """Return the code that the evaluation stages reach at a revision, relative to the repository."""
    makers = [stage for stage in (maker(path, stages) for path in guarded.evidence) if stage is not None]
    if not makers:
        return set()

    def read(path: str) -> str | None:
        try:
            content = tools.repository.read(revision, path)
        except UsageError:
            return None  # a link: it is no file that could be edited through this path
        return content.decode("utf-8", "replace") if content is not None else None

    start = [
        posixpath.normpath(posixpath.join(guarded.folder, dep.path)) for one in makers for dep in one.deps
    ]
    return reachable([one.command for one in makers], start, tools.repository.paths(revision), read)


def _inside(settings: Settings, path: str | None) -> str | None:
    """Return a path of the settings relative to the DVC project, as stages have it."""
    return posixpath.relpath(path, settings.pipeline.directory) if path else None
