"""`reconcile` for canaries: finishes an interrupted transition, and corrects the challenger's alias."""

from __future__ import annotations

from dataclasses import dataclass

from mlops_ci.commands.canary import transitions
from mlops_ci.commands.champion import ChampionMover
from mlops_ci.core.canary.state import latest
from mlops_ci.core.ledger import History
from mlops_ci.core.report import Action


@dataclass(frozen=True, kw_only=True)
class CanaryReconciled:
    """Result: the history afterwards, sentences for the report, actions, and a remaining problem."""

    history: History
    said: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    trouble: str = ""


def reconcile_canary(mover: ChampionMover, history: History, *, dry_run: bool) -> CanaryReconciled:
    """Finish the canary's open transition, and set the challenger's alias as the ledger says."""
    canary = latest(history, mover.environment)
    if canary is None:
        return CanaryReconciled(history=history)
    alias, model = mover.settings.registry.challenger, mover.model
    if canary.open is not None:
        act = {"start": "start", "step": "change of share", "end": "end"}[canary.open.details["act"]]
        said = f"The {act} of the canary of version {canary.challenger} was cut short."
        action = Action(kind="finish_canary", target=model, value=canary.challenger, applied=not dry_run)
        trouble = ""
        if not dry_run:
            history, trouble = transitions.finish(mover, history)
        return CanaryReconciled(history=history, said=(said,), actions=(action,), trouble=trouble)
    named, wanted = mover.registry.aliases(model).get(alias), canary.challenger if canary.running else None
    if named == wanted or (wanted is None and named != canary.challenger):
        return CanaryReconciled(history=history)
    said = f"The alias '{alias}' named {named or 'nothing'}, by the ledger it is {wanted or 'nothing'}."
    kind = "set_alias" if wanted else "drop_alias"
    if not dry_run:
        if wanted:
            mover.registry.set_alias(model, alias, wanted)
        else:
            mover.registry.drop_alias(model, alias)
    action = Action(kind=kind, target=f"{model}@{alias}", value=wanted or "", applied=not dry_run)
    return CanaryReconciled(history=history, said=(said,), actions=(action,))
