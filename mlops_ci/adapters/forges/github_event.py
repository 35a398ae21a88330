"""The change that a GitHub event is about, from its payload; the API fills in what that lacks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_ci.adapters.http import Client
from mlops_ci.adapters.ports import Console
from mlops_ci.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Change:
    """The change that an event names; fields that the event lacks are empty, and must be queried.

    Attributes
    ----------
    number
        Of the pull request, or None.
    head, base, target
        Full SHA of the change's head and of its base, and the target branch's name.
    author
        Login of the pull request's author.
    head_repository, head_branch
        Where the head lives (``owner/name``): the fork's for a fork.
    from_fork
        Whether that is another repository than this one.
    from_run
        Whether another workflow run started this one (``workflow_run``).
    """

    number: int | None = None
    head: str = ""
    base: str = ""
    target: str = ""
    author: str = ""
    head_repository: str = ""
    head_branch: str = ""
    from_fork: bool = False
    from_run: bool = False


_QUEUED = re.compile(r"gh-readonly-queue/(.+)/pr-\d+-[0-9a-f]{40}")
PERMISSIONS = """\
    permissions:
      contents: read
      {missing}"""


def change(name: str, payload: Mapping[str, Any], env: Mapping[str, str]) -> Change:
    """Read the change out of an event's payload.

    Raises
    ------
    UsageError
        If the payload is not one of this event.
    """
    try:
        found = _change(name, payload, env)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"the payload of the event '{name}' is not as GitHub writes it: {type(error).__name__}"
        raise UsageError(f"{problem} {error}"[:300], remedy="unset GITHUB_EVENT_PATH") from None
    texts = (found.head, found.base, found.target, found.author, found.head_repository, found.head_branch)
    if not all(isinstance(text, str) for text in texts):
        raise UsageError(f"the payload of the event '{name}' is not as GitHub writes it")
    return found


def _change(name: str, payload: Mapping[str, Any], env: Mapping[str, str]) -> Change:
    """Read the change out of a well-formed payload.

    The checked-out commit is not used where the payload knows better: ``pull_request`` runs on a
    merge commit, ``pull_request_target`` and ``issue_comment`` on the default branch.
    """
    repository = env.get("GITHUB_REPOSITORY", "")
    if name == "workflow_run":
        return _workflow_run(payload.get("workflow_run") or {}, repository)
    if isinstance(payload.get("pull_request"), dict):
        return of_pull_request(payload["pull_request"], repository)
    issue = payload.get("issue") or {}
    if name == "issue_comment" and issue.get("pull_request") is not None:
        return Change(number=int(issue["number"]), author=(issue.get("user") or {}).get("login", ""))
    if name == "merge_group":
        group = payload.get("merge_group") or {}
        return Change(
            head=group.get("head_sha", ""),
            base=group.get("base_sha", ""),
            target=_branch(group.get("base_ref", "")),
        )
    head = env.get("GITHUB_SHA", "")
    target = env.get("GITHUB_REF_NAME", "") if env.get("GITHUB_REF_TYPE") != "tag" else ""
    if name == "push":
        # The tip that was there before; all zeros for a new branch.
        before = str(payload.get("before") or "")
        return Change(
            head=str(payload.get("after") or head),
            base=before if before.strip("0") else "",
            target=_branch(str(payload.get("ref") or "")) or target,
        )
    return Change(head=head, target=target)


def of_pull_request(pull: Mapping[str, Any], repository: str) -> Change:
    """Return the change of a pull request, from an event or from the API."""
    head, base = pull.get("head") or {}, pull.get("base") or {}
    lives_in = (head.get("repo") or {}).get("full_name", "")
    home = repository or (base.get("repo") or {}).get("full_name", "")
    return Change(
        number=int(pull["number"]),
        head=head.get("sha", ""),
        base=base.get("sha", ""),
        target=base.get("ref", ""),
        author=(pull.get("user") or {}).get("login", ""),
        head_repository=lives_in,
        head_branch=head.get("ref", ""),
        # A fork that was deleted since has no repository.
        from_fork=lives_in.casefold() != home.casefold(),
    )


def _workflow_run(run: Mapping[str, Any], repository: str) -> Change:
    lives_in = (run.get("head_repository") or {}).get("full_name", "")
    head = run.get("head_sha", "")
    # Empty for forks; may list pull requests of other repositories, or that have moved on.
    known = [pull for pull in run.get("pull_requests") or [] if (pull.get("head") or {}).get("sha") == head]
    mine = [pull for pull in known if _home_of(pull).endswith(f"/repos/{repository}")]
    branch = run.get("head_branch") or ""
    queued = _QUEUED.fullmatch(branch) if run.get("event") == "merge_group" else None
    return Change(
        number=int(mine[0]["number"]) if len(mine) == 1 else None,
        head=head,
        # A merge queue's branch is no target: its policy would be the change's own.
        target=queued[1] if queued else "" if _of_change(run) else branch,
        head_repository=lives_in,
        head_branch=run.get("head_branch") or "",
        from_fork=lives_in.casefold() != repository.casefold(),
        from_run=True,
    )


def _of_change(run: Mapping[str, Any]) -> bool:
    return str(run.get("event", "")).startswith(("pull_request", "merge_group"))


def complete(event: Change, client: Client, repository: str, console: Console) -> Change:
    """Query the API for what the event lacks.

    A ``workflow_run`` names no pull request of a fork: it is found by head repository and SHA. A
    comment names the pull request and no head.

    Raises
    ------
    ServiceError
        If GitHub does not tell.
    """
    if event.number is None:
        pull = _pull_request_of_run(event, client, repository, console) if event.from_run else None
    elif not event.head or event.from_run:
        pull = client.get(f"/repos/{repository}/pulls/{event.number}")
    else:
        pull = None
    if pull is None:
        return event
    found = of_pull_request(pull, repository)
    # The run's evidence is of the run's head, wherever the pull request is by now.
    return replace(found, head=event.head or found.head, from_run=event.from_run)


def _pull_request_of_run(
    event: Change, client: Client, repository: str, console: Console
) -> dict[str, Any] | None:
    if not event.head_repository or not event.head_branch:
        return None
    owner = event.head_repository.split("/", 1)[0]
    listed = client.pages(f"/repos/{repository}/pulls", state="open", head=f"{owner}:{event.head_branch}")
    home = event.head_repository.casefold()
    matching = [
        pull for pull in listed if (pull["head"].get("repo") or {}).get("full_name", "").casefold() == home
    ]
    current = [pull for pull in matching if pull["head"]["sha"] == event.head]
    if matching and not current:
        console.info(f"pull request #{matching[0]['number']} has moved on from {event.head[:7]}")
    if len(current) > 1:
        numbers = ", ".join(f"#{pull['number']}" for pull in current)
        console.warn(f"several pull requests have this head ({numbers}); taking the first")
    return min(current, key=lambda pull: int(pull["number"]), default=None)


def remedy(missing: str, change: Change, actor: str) -> str:
    """Return the remedy for a permission that the token lacks (``pull-requests: write``)."""
    if not change.from_run and (change.from_fork or actor == "dependabot[bot]"):
        whose = "a fork" if change.from_fork else "Dependabot"
        return (
            f"GitHub gives a pull request of {whose} a read-only token, whatever `permissions:` says."
            " `mlops-ci init` writes the two workflows that report on it all the same."
        )
    return f"The token lacks a permission. Add it to the job:\n\n{PERMISSIONS.format(missing=missing)}\n"


def _home_of(pull: Mapping[str, Any]) -> str:
    return str(((pull.get("base") or {}).get("repo") or {}).get("url", ""))


def _branch(ref: str) -> str:
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""
