"""Rules for workflows that call mlops-ci: a gate that can be skipped, stay pending, or be manipulated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_ci.core.onboarding.checks import Check, failed, ok, warning
from mlops_ci.core.onboarding.workflows import PLACEHOLDER

_OURS = re.compile(r"(^|/)mlops-ci(/[^@]*)?@|^\./?$")
_PINNED = re.compile(r"@[0-9a-f]{40}$")
_GATES = ("check", "reusable gate")


def check_workflow(path: str, document: Any) -> list[Check]:
    """Return the problems of one workflow; none if it does not call mlops-ci.

    Parameters
    ----------
    path
        For messages.
    document
        The workflow as plain values; YAML reads its key `on` as true.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("jobs"), Mapping):
        return []
    jobs = {name: job for name, job in document["jobs"].items() if isinstance(job, Mapping)}
    ours = {name: list(_commands(job)) for name, job in jobs.items()}
    if not any(ours.values()):
        return []
    found: list[Check] = []
    events = _events(document)
    gating = {name for name, commands in ours.items() if any(command in _GATES for command in commands)}
    if gating:
        found += _triggers(path, events)
    for name, commands in ours.items():
        if commands:
            found += _job(path, name, jobs[name], document, gates=name in gating)
            # What a workflow_run gates by is a commit status, which is missing where the job is skipped.
            if name in gating and "workflow_run" not in events:
                found += _skipping(path, name, jobs[name])
    found += _references(path, document)
    return found or [ok(path, "runs mlops-ci, and has none of the known pitfalls")]


def _commands(job: Mapping[str, Any]) -> Iterator[str]:
    """Yield the verbs that a job calls, through the action, a reusable workflow, or a script."""
    uses = str(job.get("uses") or "")
    if re.search(r"(^|/)mlops-ci/\.github/workflows/gate\.yml@", uses):
        yield "reusable gate"
    for step in _steps(job):
        if _OURS.search(str(step.get("uses") or "")):
            yield str((step.get("with") or {}).get("command") or "check")
        yield from re.findall(r"\bmlops-ci\s+([a-z]+)", str(step.get("run") or ""))


def _steps(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in job.get("steps") or [] if isinstance(step, Mapping)]


def _events(document: Mapping[Any, Any]) -> Mapping[str, Any]:
    on = document.get("on", document.get(True)) or {}
    if isinstance(on, str):
        return {on: {}}
    return (
        {str(name): {} for name in on} if isinstance(on, list) else {str(k): v or {} for k, v in on.items()}
    )


def _triggers(path: str, events: Mapping[str, Any]) -> Iterator[Check]:
    for name in ("pull_request", "pull_request_target", "merge_group"):
        filters = [key for key in ("paths", "paths-ignore") if key in (events.get(name) or {})]
        if filters:
            yield failed(
                path,
                f"`{name}` has `{filters[0]}`: elsewhere a required check stays pending for ever",
                f"Remove `{filters[0]}`: a change that touches no stage is `unchanged` within seconds.",
            )
    if "pull_request_target" in events:
        yield failed(
            path,
            "`pull_request_target` gives the secrets of the repository to a job that runs the change's code",
            "Use `pull_request`; `mlops-ci init` writes two jobs that keep code and secrets apart.",
        )
    pull = events.get("pull_request")
    if pull is not None:
        types = pull.get("types") or [] if isinstance(pull, Mapping) else []
        if "edited" not in types:
            yield warning(
                path,
                "a pull request whose target branch is changed keeps the verdict on the old one",
                "Set `types: [opened, synchronize, reopened, edited]`.",
            )
        if "merge_group" not in events:
            yield warning(
                path,
                "a merge queue would wait for ever for this check",
                "Add `merge_group:` to the triggers.",
            )


def _skipping(path: str, name: str, job: Mapping[str, Any]) -> Iterator[Check]:
    condition = str(job.get("if") or "")
    if job.get("needs") and "always()" not in condition:
        yield failed(
            path,
            f"job `{name}` is skipped when a job it needs fails, and a skipped check counts as passed",
            "Add `if: always()` to the job: it fails by itself where there is no evidence.",
        )
    elif condition and "always()" not in condition:
        yield failed(
            path,
            f"job `{name}` has `if: {condition}`: where that is false, the check counts as passed",
            "Remove the condition from the job.",
        )


def _job(
    path: str, name: str, job: Mapping[str, Any], document: Mapping[Any, Any], *, gates: bool
) -> Iterator[Check]:
    loose = [f"job `{name}`"] if job.get("continue-on-error") else []
    loose += [
        "the step of mlops-ci"
        for step in _steps(job)
        if step.get("continue-on-error") and _OURS.search(str(step.get("uses") or ""))
    ]
    if gates and loose:
        yield failed(
            path, f"{loose[0]} has `continue-on-error`: it blocks nothing", "Remove `continue-on-error`."
        )
    yield from _checkout(path, name, job)
    yield from _permissions(path, name, job, document, gates=gates)
    commands = list(_commands(job))
    text = str(job)
    if "reproduce" in commands and "check" not in commands and re.search(r"secrets\.(?!DVC_)", text):
        yield warning(
            path,
            f"job `{name}` runs the change's code and holds a secret that is not of the DVC remote",
            "Move it to the job of `check --evidence`, which runs no code of the change.",
        )


def _checkout(path: str, name: str, job: Mapping[str, Any]) -> Iterator[Check]:
    for step in _steps(job):
        if not str(step.get("uses") or "").startswith("actions/checkout@"):
            continue
        given = step.get("with") or {}
        if str(given.get("fetch-depth", "1")) != "0":
            yield failed(
                path,
                f"job `{name}` checks out one commit: the target branch and its policy are not there",
                "Add `fetch-depth: 0` to actions/checkout.",
            )
        if str(given.get("persist-credentials", "true")).lower() != "false":
            yield warning(
                path,
                f"job `{name}` leaves its token in .git/config, where every stage can read it",
                "Add `persist-credentials: false` to actions/checkout.",
            )


def _permissions(
    path: str, name: str, job: Mapping[str, Any], document: Mapping[Any, Any], *, gates: bool
) -> Iterator[Check]:
    granted = job.get("permissions", document.get("permissions"))
    if granted is None:
        yield warning(
            path, f"job `{name}` says no `permissions`: it may get more than it needs, or too little",
            "Add `permissions: {contents: read, pull-requests: write}` to the job of `check`.",
        )  # fmt: skip
    elif granted == "write-all":
        yield warning(path, f"job `{name}` may write everything", "List what it needs under `permissions`.")
    elif gates and isinstance(granted, Mapping) and granted.get("pull-requests") != "write":
        yield failed(
            path,
            f"job `{name}` may not comment on pull requests",
            "Add `pull-requests: write` to its `permissions`.",
        )
    elif gates and isinstance(granted, Mapping) and granted.get("contents") == "write":
        yield warning(path, f"job `{name}` may push", "`contents: read` is enough for `check`.")


def _references(path: str, document: Mapping[Any, Any]) -> Iterator[Check]:
    used = dict.fromkeys(re.findall(r"'uses': '([^']+)'", str(document)))
    if any(PLACEHOLDER.partition("@")[0] in one for one in used):
        yield failed(
            path, f"still says {PLACEHOLDER}", "Replace it by the repository of mlops-ci and a commit."
        )
    loose = [one for one in used if "@" in one and not _PINNED.search(one) and not one.startswith("OWNER/")]
    if loose:
        yield warning(
            path,
            f"{', '.join(loose[:3])}: a tag can be moved to other code",
            "Pin actions by commit (`uses: owner/name@<40 digits> # v1.2.3`).",
        )
