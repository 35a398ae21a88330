"""What GitHub's runner gives a step: environment, event, files for outputs and summary."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fakes.github import GitHub, Pull

from mlops_ci.adapters.forges.github import GitHubForge
from mlops_ci.adapters.forges.github_actions import ActionsConsole
from mlops_ci.adapters.forges.sticky import CommentMode


@dataclass
class Runner:
    """One job of one workflow run on a `GitHub`."""

    github: GitHub
    folder: Path
    event: str = "pull_request"
    payload: dict[str, Any] | None = None
    run: int = 500
    attempt: int = 1
    minute: int = 0
    api: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    log: io.StringIO = field(default_factory=io.StringIO)
    slept: list[float] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        """The environment of a step."""
        folder = self.folder / f"{self.run}-{self.attempt}"
        folder.mkdir(parents=True, exist_ok=True)
        payload = self.payload if self.payload is not None else pull_request_event(self.github)
        (folder / "event.json").write_text(json.dumps(payload))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.api or self.github.url,
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_REPOSITORY": self.github.repository,
            "GITHUB_RUN_ATTEMPT": str(self.attempt),
            "GITHUB_RUN_ID": str(self.run),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_SHA": "c" * 40,  # the merge commit
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            **self.extra,
        }

    def forge(
        self,
        *,
        token: str = "job-token",
        comment: CommentMode = "always",
        status_context: str | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> GitHubForge:
        """Return the forge of this job; it sleeps in no time unless told how."""
        return GitHubForge(
            token=token,
            comment=comment,
            status_context=status_context,
            env=self.env,
            console=ActionsConsole(self.log),
            now=lambda: datetime(2026, 11, 23, 4, tzinfo=UTC) + timedelta(minutes=self.minute),
            sleep=sleep or self.slept.append,
        )

    @property
    def summary(self) -> str:
        """The job summary."""
        path = Path(self.env["GITHUB_STEP_SUMMARY"])
        return path.read_text(encoding="utf-8") if path.exists() else ""


def pull_request_event(github: GitHub, number: int = 7) -> dict[str, Any]:
    """Return the payload of ``pull_request``, cut to what it surely has."""
    pull: Pull = github.pulls[number]
    return {
        "action": "synchronize",
        "pull_request": {
            "number": number,
            "user": {"login": pull.author},
            "head": {
                "sha": pull.head,
                "ref": pull.branch,
                "repo": {"full_name": pull.head_repository},
            },
            "base": {
                "sha": pull.base,
                "ref": pull.target,
                "repo": {"full_name": github.repository},
            },
        },
    }
