"""`rollback`: go back to a version that was champion before, in seconds, and say who and why."""

from __future__ import annotations

from mlops_ci.commands.champion import TRIES, ChampionMover, champion_mover
from mlops_ci.commands.deployment import deploy
from mlops_ci.commands.tools import Tools
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import State, promoted_versions
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
    mover = champion_mover(settings, tools)
    history = mover.verified_history(finish=not dry_run)
    state = mover.state(history)
    target = _target(mover, history, state, to)
    ref = _intact(mover, history, target)
    notices = _odd(mover, state)
    if state.champion == target and not notices:
        raise UsageError(f"version {target} of '{mover.model}' is the champion already")
    if dry_run:
        return _report(mover, state, ref, source, reason, notices)
    entry = mover.entry(
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
    history = _appended(mover, history, entry)
    history, trouble = deploy(mover, mover.apply_decision(history))
    if trouble:
        text = f"The deployment is not what it should be: {trouble}"
        notices.append(Notice(text=text, level="danger"))
    return _report(mover, state, ref, source, reason, notices, history=history, trouble=trouble)


def _appended(mover: ChampionMover, history: History, entry: Entry) -> History:
    """Append the intent; concurrent entries that moved no champion do not make it fail."""
    decision = mover.state(history).decision
    for _ in range(TRIES):
        try:
            return mover.ledger.append(history, entry)
        except ConflictError:
            history = mover.read()
            now = mover.state(history)
            if now.decision != decision:
                raise ConflictError(
                    "the ledger",
                    f"meanwhile version {now.champion} of '{mover.model}' became champion: nothing changed",
                    remedy="look at `mlops-ci lineage`, then roll back again if it is still wanted.",
                ) from None
    raise ConflictError("the ledger", f"the history of '{mover.model}' changes too fast to write")


def _target(mover: ChampionMover, history: History, state: State, to: str | None) -> str:
    known = promoted_versions(history, mover.environment)
    if to is not None:
        to = to.removeprefix("v")
        if to not in known:
            listed = ", ".join(sorted(known, key=lambda v: (len(v), v))) or "none"
            raise UsageError(
                f"version {to} of '{mover.model}' never was champion by the ledger",
                remedy=f"name one that was: {listed}.",
            )
        return to
    if state.previous is None:
        raise UsageError(
            f"there is no earlier champion of '{mover.model}' to go back to",
            remedy="name a version that was champion with --to; `mlops-ci lineage` lists them.",
        )
    return state.previous


def _intact(mover: ChampionMover, history: History, version: str) -> ModelRef:
    """Return the version; refuse one that is deleted or whose model is not the one promoted."""
    found = mover.intact(history, version)
    if found is None:
        raise EvidenceError(
            f"version {version} of '{mover.model}' is deleted",
            remedy="name another version that was champion with --to; `mlops-ci lineage` lists them.",
        )
    return found.ref


def _odd(mover: ChampionMover, state: State) -> list[Notice]:
    """Return notices on differences between registry and ledger, which the rollback corrects."""
    named = mover.registry.aliases(mover.model).get(mover.alias)
    if named == state.champion:
        return []
    text = (
        f"The alias '{mover.alias}' named {'version ' + named if named else 'nothing'}, while the champion"
        f" by the ledger was version {state.champion}: someone moved it by hand."
    )
    return [Notice(text=text, level="warning")]


def _report(  # noqa: PLR0913
    mover: ChampionMover,
    before: State,
    ref: ModelRef,
    source: Source,
    reason: str,
    notices: list[Notice],
    *,
    history: History | None = None,
    trouble: str = "",
) -> Report:
    name, done = mover.model, history is not None
    back = f"from version {before.champion} to version {ref.version}"
    actions = [
        Action(kind="set_alias", target=f"{name}@{mover.alias}", value=ref.version or "", applied=done)
    ]
    if mover.settings.promotion.deploy_command:
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
            "ledger": {"address": mover.ledger.address, "head": history.head if history else ""},
        },
    )
