"""Checks of `doctor`: a state, a message and a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding of `doctor`.

    Attributes
    ----------
    subject
        What was looked at (`git`, `DVC remote`, `MLflow`, a workflow's path).
    state
        ``failed``: the gate will not work, or would let a worse model pass. ``warning``: it works less
        well than it could.
    message
        What is so, in one sentence.
    remedy
        What to do, as an imperative; empty if all is well.
    exit_code
        Of a failed one: 2 to be fixed here, 4 a service that did not answer, 5 no evidence.
    """

    subject: str
    state: State
    message: str
    remedy: str = ""
    exit_code: int = 2


def ok(subject: str, message: str) -> Check:
    """Return a check that passed."""
    return Check(subject=subject, state="ok", message=message)


def warning(subject: str, message: str, remedy: str) -> Check:
    """Return a check that found something to improve."""
    return Check(subject=subject, state="warning", message=message, remedy=remedy)


def failed(subject: str, message: str, remedy: str, exit_code: int = 2) -> Check:
    """Return a check that found something that keeps the gate from working."""
    return Check(subject=subject, state="failed", message=message, remedy=remedy, exit_code=exit_code)


def skipped(subject: str, message: str) -> Check:
    """Return a check that could not be made here."""
    return Check(subject=subject, state="skipped", message=message)


def exit_code(checks: Iterable[Check]) -> int:
    """Return what `doctor` ends with: what must be fixed here comes before what may pass by itself."""
    codes = {check.exit_code for check in checks if check.state == "failed"}
    return next((code for code in (2, 5, 4) if code in codes), 0)
