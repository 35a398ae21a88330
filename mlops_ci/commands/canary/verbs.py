"""`canary start`, `status` and `stop`."""

from __future__ import annotations

from mlops_ci.commands.canary import transitions
from mlops_ci.commands.canary.look import required
from mlops_ci.commands.canary.report import canary_report
from mlops_ci.commands.champion import TRIES, champion_mover
from mlops_ci.commands.promote import promote
from mlops_ci.commands.promote_report import AS_JUDGED, Confirmation
from mlops_ci.commands.tools import Tools
from mlops_ci.core.canary.state import latest
from mlops_ci.core.report import Report, Source
from mlops_ci.errors import ConflictError, UsageError
from mlops_ci.settings import Settings


def start(
    settings: Settings, tools: Tools, source: Source, word: Confirmation = AS_JUDGED, *, dry_run: bool = False
) -> Report:
    """Start a canary of the merged commit's candidate, as `promote` does if `canary` is set.

    Raises
    ------
    UsageError
        If no canary is set up; and what `promote` raises.
    """
    required(settings)
    return promote(settings, tools, source, word, dry_run=dry_run)


def status(settings: Settings, tools: Tools, source: Source) -> Report:
    """Report the last canary from the ledger alone, without changing anything."""
    mover = champion_mover(settings, tools)
    history = mover.read()
    canary = latest(history, mover.environment)
    return canary_report(mover, history, canary, source, verb="status")


def stop(
    settings: Settings, tools: Tools, source: Source, *, reason: str = "", dry_run: bool = False
) -> Report:
    """End the running canary, with all traffic back on the champion.

    Raises
    ------
    UsageError
        If none is running.
    """
    mover = champion_mover(settings, tools)
    for _ in range(TRIES):
        history = mover.verified_history(finish=not dry_run)
        canary = latest(history, mover.environment)
        if canary is None or not canary.running:
            raise UsageError(f"no canary of '{mover.model}' is running")
        if dry_run:
            return canary_report(mover, history, canary, source, verb="stop", dry_run=True)
        try:
            # One that was decided already is carried out, not overruled.
            if canary.end is None:
                history, trouble = transitions.end(
                    mover, history, canary, source, transitions.STOP, reason=reason
                )
            else:
                history, trouble = transitions.finish(mover, history)
        except ConflictError:
            continue
        now = latest(history, mover.environment)
        return canary_report(mover, history, now, source, verb="stop", trouble=trouble)
    raise ConflictError("the ledger", f"others keep writing to the history of '{mover.model}'")
