"""Detects changes to the gate itself, which need approval: a change must not relax its own gate."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mlops_ci.core.lineage import Stage

TEMPLATES = ".mlops-ci/templates"
ACTIONS = ".github/actions/"
WORKFLOWS = (".github/workflows/", ACTIONS, ".gitlab-ci.yml", ".gitlab/ci/")
OUR_NAME = b"mlops-ci"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """The paths that the target branch's settings name.

    Attributes
    ----------
    config
        Path of the settings file, relative to the repository.
    folder
        The DVC project's directory, relative to the repository; other paths here, and those of
        stages, are relative to it.
    evidence
        The files that are judged: predictions, and those of scalars that a policy compares. The
        stages that make them are the evaluation stages.
    holdout
        The holdout, or None.
    score_command
        The command that scores a champion, or None.
    """

    config: str = "mlops-ci.yaml"
    folder: str = "."
    evidence: Sequence[str] = ()
    holdout: str | None = None
    score_command: str | None = None


@dataclass(frozen=True, kw_only=True)
class GateChange:
    """One change to the gate: the path (or stage) it is in, and a sentence for the report."""

    path: str
    text: str


def changed_gate_files(  # noqa: PLR0913
    guarded: Guarded,
    changed: Sequence[str],
    *,
    before: Sequence[Stage],
    after: Sequence[Stage],
    locks_before: Mapping[str, str],
    locks_after: Mapping[str, str],
    imported: Collection[str] = (),
    unreadable: Collection[str] = (),
    workflows: Collection[str] = (),
) -> list[GateChange]:
    """Return the changes that need approval: to what the gate judges by, or to what makes the evidence.

    The target branch's policy, templates, ``.dvc/config`` and `score_command` are in force whatever a change
    does to its own, so those rows inform. The evaluation stage and the environment run as the change has
    them.

    Parameters
    ----------
    guarded
        Of the target branch.
    changed
        Paths that the change touches, relative to the repository.
    before, after
        Stages at the target branch's tip, and in the change, as dvc.yaml declares them: dvc.lock says what
        ran once, not what will.
    locks_before, locks_after
        Checksums of the environment's lock files, by path in the repository.
    imported
        Paths that the evaluation stages reach without listing them, relative to the repository.
    unreadable
        Pipeline files whose stages only DVC can tell, relative to the repository.
    workflows
        Files of the forge's automation that have to do with this gate, relative to the repository.
    """
    start = "" if guarded.folder in ("", ".") else f"{guarded.folder.rstrip('/')}/"
    inner = {path.removeprefix(start): path for path in changed if path.startswith(start)}
    found = [*_settings(guarded, changed, inner)]
    found += _holdout(guarded, inner, before, after)
    for path in guarded.evidence:
        found += _evaluation(_normal(path), inner, before, after)
    known = {change.path for change in found}
    for path in sorted(set(changed) & set(imported) - known):
        text = f"`{path}` is code that the evaluation stage runs, and does not list in `deps`."
        found.append(GateChange(path=path, text=text))
    for path in sorted(set(changed) & set(workflows)):
        text = f"`{path}` changes what the forge runs, and may change this check itself."
        found.append(GateChange(path=path, text=text))
    for path in sorted(set(changed) & set(unreadable)):
        text = f"`{path}` changes, and has templates that cannot be told without running DVC."
        found.append(GateChange(path=path, text=text))
    for path in sorted({*locks_before, *locks_after}):
        if locks_before.get(path) != locks_after.get(path):
            found.append(GateChange(path=path, text=f"`{path}` changes the environment that stages run in."))
    return list(dict.fromkeys(found))


def _settings(guarded: Guarded, changed: Sequence[str], inner: Mapping[str, str]) -> list[GateChange]:
    found = []
    folder = guarded.config.rpartition("/")[0]
    templates = f"{folder}/{TEMPLATES}/" if folder else f"{TEMPLATES}/"
    for path in changed:
        if path == guarded.config:
            text = f"`{path}` changes the gate's own settings; those of the target branch are in force."
            found.append(GateChange(path=path, text=text))
        elif path.startswith(templates):
            text = f"`{path}` changes how reports are written; the target branch's templates are used."
            found.append(GateChange(path=path, text=text))
    for path in (".dvc/config", ".dvc/config.local"):
        if path in inner:
            text = f"`{inner[path]}` changes where data comes from; the target branch's is used to fetch."
            found.append(GateChange(path=inner[path], text=text))
    for word in _words(guarded.score_command):
        if _normal(word) in inner:
            path = inner[_normal(word)]
            text = f"`{path}` is part of `score_command`, which scores the champion."
            found.append(GateChange(path=path, text=text))
    return found


def _holdout(
    guarded: Guarded, inner: Mapping[str, str], before: Sequence[Stage], after: Sequence[Stage]
) -> list[GateChange]:
    if not guarded.holdout:
        return []
    holdout = _normal(guarded.holdout)
    around = [holdout, *_parents(holdout)]
    touched = [
        path
        for path in inner
        if path.startswith(f"{holdout}/") or path in around or path.removesuffix(".dvc") in around
    ]
    text = "changes the holdout that both models are scored on."
    found = [GateChange(path=inner[path], text=f"`{inner[path]}` {text}") for path in touched]
    old, new = (
        {path: sum_ for stage in stages for path, sum_ in stage.outs.items()} for stages in (before, after)
    )
    for path in {*old, *new} & set(around):
        if old.get(path) != new.get(path):
            found.append(GateChange(path=path, text=f"`{path}` {text}"))
    return found


def _evaluation(
    evidence: str, inner: Mapping[str, str], before: Sequence[Stage], after: Sequence[Stage]
) -> list[GateChange]:
    old, new = maker(evidence, before), maker(evidence, after)
    if old is None and before and evidence in inner:
        text = f"`{inner[evidence]}` is judged, and no stage makes it: this change writes it itself."
        return [GateChange(path=inner[evidence], text=text)]
    if old is None:
        return []  # the first pipeline: there is nothing yet that could be weakened
    if new is None:
        text = f"No stage makes `{evidence}` any more; '{old.name}' did."
        return [GateChange(path=old.name, text=text)]
    found = []
    if new.name != old.name:
        text = f"Stage '{new.name}' makes `{evidence}` now, not '{old.name}'."
        found.append(GateChange(path=new.name, text=text))
    if new.command != old.command:
        text = f"The command of '{new.name}', which makes `{evidence}`, is another: `{new.command}`."
        found.append(GateChange(path=new.name, text=text))
    if set(new.inputs) != set(old.inputs):
        text = f"The evaluation stage '{new.name}' reads other inputs than before."
        found.append(GateChange(path=new.name, text=text))
    code = {dep.path: dep.checksum for dep in old.deps if dep.kind == "code"}
    now = {dep.path: dep.checksum for dep in new.deps if dep.kind == "code"}
    for path in sorted({*code, *now}):
        # The list of changed files is there too for what dvc.lock has not caught up with.
        touched = [inner[one] for one in inner if one == path or one.startswith(f"{path}/")]
        if touched or code.get(path) != now.get(path):
            where = touched[0] if touched else path
            text = f"`{where}` is code of the evaluation stage '{new.name}', which makes `{evidence}`."
            found.append(GateChange(path=where, text=text))
    return found


def maker(path: str, stages: Sequence[Stage]) -> Stage | None:
    """Return the stage that outputs a file or a folder around it, or None."""
    around = [_normal(path), *_parents(_normal(path))]
    return next((stage for stage in stages for out in stage.outs if out in around), None)


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: index + 1]) for index in range(len(parts))]


def _normal(path: str) -> str:
    return path.removeprefix("./").rstrip("/")


def _words(command: str | None) -> list[str]:
    return re.findall(r"[^\s'\"=;|&<>]+", command or "")
