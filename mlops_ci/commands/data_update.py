"""`data update`: newer data, validated, stored, proven to be stored, and proposed as a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.adapters.ports.monitoring import Branches, DataVersions
from mlops_ci.commands.drift import options_of
from mlops_ci.commands.tools import Tools
from mlops_ci.core.drift.result import DriftReport
from mlops_ci.core.report import Action, Notice, Report, Source
from mlops_ci.errors import EvidenceError, MlopsCiError, UsageError
from mlops_ci.settings import Settings

PREFIX = "mlops-ci/data"
LEAST_SHARE = 0.5
"""Data that shrink to less than this are more likely cut short than meant so."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """The inputs of an update.

    Attributes
    ----------
    versions, branches
        The data, and the branches that propose them.
    base
        The commit that the branch starts from.
    anyway
        True takes data that lost columns, changed types or shrank.
    """

    versions: DataVersions
    branches: Branches
    base: str
    anyway: bool = False


@dataclass(frozen=True, kw_only=True)
class _Changed:
    pointer: str
    before: bytes
    after: bytes
    drift: DriftReport | None
    notices: tuple[Notice, ...]


def data_update(
    settings: Settings, tools: Tools, update: Update, source: Source, path: str, *, dry_run: bool = False
) -> Report:
    """Update one data set on a branch of its own; a failure leaves no partial state behind.

    In this order: an import is fetched anew; the data are validated against the version before; the pointer
    is written; the data are pushed and proven to be in the remote; only then is there a branch. The work
    tree's pointer is put back in the end, whatever happens: what changes is on the branch.

    Parameters
    ----------
    path
        Relative to the repository: the data, or its ``.dvc`` file.

    Raises
    ------
    UsageError
        If DVC does not track it, or a stage makes it.
    EvidenceError
        If the data are not fit to be proposed, or did not arrive in the remote.
    ServiceError
        If the remote or the forge fails.
    """
    versions = update.versions
    pointer = versions.pointer(path)
    place = tools.repository.root / pointer
    before = place.read_bytes()
    # A run that died, or `dvc add` by hand, leaves the new pointer in the work tree: newer is what differs
    # from the commit that the branch starts from.
    base = tools.repository.read(update.base, pointer) or b""
    imported = versions.imported(path)
    try:
        changed = _changed(settings, tools, update, path, pointer, base, dry_run=dry_run)
        if changed.before == changed.after:
            return _unchanged(settings, path, changed, source)
        if dry_run:
            return _report(settings, path, changed, source, _branch(changed), applied=False)
        return _proposed(settings, tools, update, path, changed, source)
    except BaseException:
        if place.read_bytes() != before:
            place.write_bytes(before)
        if imported:
            versions.restore(path)  # what was fetched is not the user's own
        raise
    finally:
        if place.read_bytes() != before:
            place.write_bytes(before)


def _changed(
    settings: Settings,
    tools: Tools,
    update: Update,
    path: str,
    pointer: str,
    before: bytes,
    *,
    dry_run: bool,
) -> _Changed:
    """Write the new pointer, and describe what changed in the data."""
    update.versions.update(path)
    after = (tools.repository.root / pointer).read_bytes()
    if before == after:
        return _Changed(pointer=pointer, before=before, after=after, drift=None, notices=())
    data = path.removesuffix(".dvc")
    drift, notices = _compared(settings, tools, data, update)
    return _Changed(pointer=pointer, before=before, after=after, drift=drift, notices=tuple(notices))


def _compared(
    settings: Settings, tools: Tools, data: str, update: Update
) -> tuple[DriftReport | None, list[Notice]]:
    """Compare the new data with the previous version; refuse data that is broken, not just different."""
    place = tools.repository.root / data
    if place.is_dir():
        text = f"`{data}` is a folder of files that are not compared; only that they are stored is proven."
        return None, [Notice(text=text)]
    try:
        key = settings.evaluation.id
        # Rows that are new have ids that are new: that is no drift.
        ignored = {key: {"ignore": True}} if key in tools.frames.names(place) else {}
        found = tools.drift(f"{data}@{update.base}", str(place), columns=ignored, **_options(settings))
    except UsageError:
        raise
    except EvidenceError as problem:
        if "revision" in problem.problem:
            text = f"The version before could not be read, so nothing was compared: {problem.problem}"
            return None, [Notice(text=text, level="warning")]
        raise EvidenceError(
            f"the new data cannot be taken: {problem.problem}", remedy=problem.remedy
        ) from None
    broken = _broken(found)
    if broken and not update.anyway:
        raise EvidenceError(
            f"the new {data} is not fit to train on: {'; '.join(broken)}",
            remedy="fix what makes it; if it is meant so, say --anyway",
        )
    return found, [Notice(text=f"Taken all the same: {text}.", level="warning") for text in broken]


def _options(settings: Settings) -> dict[str, Any]:
    """Return the drift options for these data, which may lack columns that the settings name."""
    options = options_of(settings)
    return {key: options[key] for key in ("sensitivity", "method", "thresholds", "min_count", "show")}


def _broken(found: DriftReport) -> list[str]:
    """Return why data are unusable: missing columns, changed types, an empty column, half the rows lost."""
    said = []
    for column in found.columns:
        for check in column.checks:
            if check.drifted and check.name in ("schema", "type"):
                said.append(f"{column.name}: {check.message}")
        if column.n_reference and not column.n_current and column.kind != "schema":
            said.append(f"{column.name}: no row has a value any more")
    if found.rows_current < LEAST_SHARE * found.rows_reference:
        said.append(f"{found.rows_current:,} rows, and there were {found.rows_reference:,}")
    return said


def _branch(changed: _Changed) -> str:
    import hashlib  # noqa: PLC0415

    return f"{PREFIX}-{hashlib.sha256(changed.after).hexdigest()[:12]}"


def _proposed(
    settings: Settings, tools: Tools, update: Update, path: str, changed: _Changed, source: Source
) -> Report:
    """Push the data, publish the branch, open the pull request; remove a new branch if that fails."""
    update.versions.push(path)
    branch = _branch(changed)
    report = _report(settings, path, changed, source, branch, applied=True)
    commit = update.branches.commit(update.base, {changed.pointer: changed.after}, _title(path))
    new = update.branches.publish(branch, commit)
    try:
        url = tools.forge.propose(branch, _title(path), body_of(report))
    except MlopsCiError:
        # An earlier run's branch has a pull request, which would be closed with it.
        if new:
            update.branches.drop(branch)
        raise
    return replace(report, details={**report.details, "commit": commit, "url": url})


def _title(path: str) -> str:
    return f"Update {path.removesuffix('.dvc')}"


def body_of(report: Report) -> str:
    """Return the text of the pull request: what changed in the data."""
    drift = report.drift or {}
    moved = [one for one in drift.get("columns", ()) if one["drifted"]]
    lines = [f"Newer data: `{report.details['path']}`, stored in the DVC remote.", ""]
    if drift:
        lines.append(
            f"Rows: {drift['rows_reference']:,} before, {drift['rows_current']:,} now."
            f" {len(moved)} of {len(drift['columns'])} columns moved."
        )
    if moved:
        lines += ["", "| column | effect | size | |", "| :-- | :-- | --: | :-- |"]
        lines += [
            f"| {_plain(name)} | {one['effect']} | {one['effect_size']:.3f} | {_plain(one['message'])} |"
            for one in moved[:50]
            for name in [one["name"]]
        ]
    lines += ["", *(f"> {_plain(notice.text)}" for notice in report.notices)]
    lines += ["", "The check on this pull request trains on it, and says whether the model gets worse."]
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    """Escape a value of the data, so that it is neither Markdown nor a mention of someone."""
    kept = "".join(" " if ord(one) < 32 else one for one in text)[:200]
    for mark in "\\`*_{}[]<>|#!~":
        kept = kept.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return kept.replace("@", "@\u200b")


def _unchanged(settings: Settings, path: str, changed: _Changed, source: Source) -> Report:
    return Report(
        command="data",
        model=settings.registry.model,
        headline=f"{path.removesuffix('.dvc')}: the data did not change",
        next_step="Put newer data there, and run this again.",
        source=source,
        details={"path": path.removesuffix(".dvc"), "changed": False, "branch": None},
    )


def _report(
    settings: Settings, path: str, changed: _Changed, source: Source, branch: str, *, applied: bool
) -> Report:
    data = path.removesuffix(".dvc")
    moved = [one for one in (changed.drift.columns if changed.drift else ()) if one.drifted]
    verb = "proposed" if applied else "would be proposed"
    kinds: Sequence[tuple[str, str]] = (("push_data", data), ("open_pull_request", branch))
    said = f": {len(moved)} of {len(changed.drift.columns)} columns moved" if changed.drift else ""
    return Report(
        command="data",
        model=settings.registry.model,
        headline=f"{data}: newer data {verb}{said}",
        summary=f"{changed.drift.message}." if changed.drift else "",
        next_step=f"Review the pull request of the branch {branch}; the check trains on it."
        if applied
        else "Run it without --dry-run.",
        drift=changed.drift.to_dict() if changed.drift else None,
        notices=changed.notices,
        actions=tuple(Action(kind=kind, target=target, applied=applied) for kind, target in kinds),
        source=source,
        details={"path": data, "changed": True, "branch": branch, "pointer": changed.pointer},
    )
