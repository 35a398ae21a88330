"""`rollback`: go back to a version that was champion before, in seconds, and say who and why."""

from __future__ import annotations

from mlops_ci.commands.deploying import deploy
from mlops_ci.commands.moving import TRIES, Mover, mover
from mlops_ci.commands.tools import Tools
from mlops_ci.core.ledger import Entry, History, State, model_digest, promoted_versions
from mlops_ci.core.report import Action, ModelRef, Notice, Report, Source
from mlops_ci.errors import ConflictError, EvidenceError, ServiceError, UsageError
from mlops_ci.settings import Settings


def rollback(
    settings: Settings,
    tools: Tools,
    source: Source,
    *,
    to: str | None = None,
    reason: str = "",
    dry_run: bool = False,
) -> Report:
    """Make an earlier champion the champion again.

    Parameters
    ----------
    to
        Version to go to; None takes the one before, and never one that was rolled back itself.
    reason
        Written into the ledger.

    Raises
    ------
    UsageError
        If there is nothing to go back to, or the version never was champion.
    EvidenceError
        If the version, or its run, is deleted, or its bytes are not those that were promoted.
    ConflictError
        If someone else moved the champion meanwhile.
    """
    moving = mover(settings, tools)
    history = moving.begun(finish=not dry_run)
    state = moving.state(history)
    target = _target(moving, history, state, to)
    ref = _intact(moving, history, target)
    notices = _odd(moving, state)
    if state.champion == target and not notices:
        raise UsageError(f"version {target} of '{moving.model}' is the champion already")
    if dry_run:
        return _report(moving, state, ref, source, reason, notices)
    entry = moving.entry(
        "rollback",
        "intent",
        source,
        from_version=state.champion,
        to_version=target,
        reason=reason,
        run_id=ref.run_id,
        candidate_commit=ref.commit or "",
        digests={"model": ref.digest} if ref.digest else {},
    )
    history = _appended(moving, history, entry)
    history, trouble = deploy(moving, moving.follow(history))
    if trouble:
        text = f"The deployment is not what it should be: {trouble}"
        notices.append(Notice(text=text, level="danger"))
    return _report(moving, state, ref, source, reason, notices, history=history, trouble=trouble)


def _appended(moving: Mover, history: History, entry: Entry) -> History:
    """Add the intent; entries that moved nothing since are no reason to fail."""
    decision = moving.state(history).decision
    for _ in range(TRIES):
        try:
            return moving.ledger.append(history, entry)
        except ConflictError:
            history = moving.read()
            now = moving.state(history)
            if now.decision != decision:
                raise ConflictError(
                    "the ledger",
                    f"meanwhile version {now.champion} of '{moving.model}' became champion: nothing changed",
                    remedy="look at `mlops-ci lineage`, then roll back again if it is still wanted.",
                ) from None
    raise ConflictError("the ledger", f"the history of '{moving.model}' changes too fast to write")


def _target(moving: Mover, history: History, state: State, to: str | None) -> str:
    known = promoted_versions(history, moving.environment)
    if to is not None:
        to = to.removeprefix("v")
        if to not in known:
            listed = ", ".join(sorted(known, key=lambda v: (len(v), v))) or "none"
            raise UsageError(
                f"version {to} of '{moving.model}' never was champion by the ledger",
                remedy=f"name one that was: {listed}.",
            )
        return to
    if state.previous is None:
        raise UsageError(
            f"there is no earlier champion of '{moving.model}' to go back to",
            remedy="name a version that was champion with --to; `mlops-ci lineage` lists them.",
        )
    return state.previous


def _intact(moving: Mover, history: History, version: str) -> ModelRef:
    """Return the version, refused where it is deleted or holds another model than was promoted."""
    found = moving.registry.version(moving.model, version)
    if found is None:
        raise EvidenceError(
            f"version {version} of '{moving.model}' is deleted",
            remedy="name another version that was champion with --to; `mlops-ci lineage` lists them.",
        )
    promoted = model_digest(history, version, moving.environment)
    if promoted and found.ref.digest and promoted != found.ref.digest:
        raise EvidenceError(
            f"version {version} of '{moving.model}' is not what was promoted: its tag says"
            f" {found.ref.digest[:12]}, the ledger {promoted[:12]}",
            remedy="someone changed the registry: find out who; name another version with --to.",
        )
    return found.ref


def _odd(moving: Mover, state: State) -> list[Notice]:
    """Say where the registry is not what the ledger says; a rollback sets it right by itself."""
    named = moving.registry.aliases(moving.model).get(moving.alias)
    if named == state.champion:
        return []
    text = (
        f"The alias '{moving.alias}' named {'version ' + named if named else 'nothing'}, while the champion"
        f" by the ledger was version {state.champion}: someone moved it by hand."
    )
    return [Notice(text=text, level="warning")]


def _report(  # noqa: PLR0913
    moving: Mover,
    before: State,
    ref: ModelRef,
    source: Source,
    reason: str,
    notices: list[Notice],
    *,
    history: History | None = None,
    trouble: str = "",
) -> Report:
    name, done = moving.model, history is not None
    back = f"from version {before.champion} to version {ref.version}"
    actions = [
        Action(kind="set_alias", target=f"{name}@{moving.alias}", value=ref.version or "", applied=done)
    ]
    if moving.settings.promotion.deploy_command:
        actions.append(Action(kind="deploy", target=name, value=ref.version or "", applied=done))
    headline = f"{name}: went back {back}" if done else f"{name}: would go back {back}"
    return Report(
        command="rollback",
        model=name,
        exit_code=ServiceError.exit_code if trouble else 0,
        headline=headline + (", but it is not served" if trouble else ""),
        summary=f"Reason: {reason}" if reason else "",
        next_step="Fix the deployment, then run `mlops-ci reconcile`."
        if trouble
        else f"Version {before.champion} is not promoted again by itself: revert the change that made it.",
        champion=ref,
        notices=tuple(notices),
        actions=tuple(actions),
        source=source,
        details={
            "from_version": before.champion,
            "to_version": ref.version,
            "reason": reason,
            "ledger": {"address": moving.ledger.address, "head": history.head if history else ""},
        },
    )
