"""Runs and probes the team's deployment of the champion, and records the result in the ledger."""

from __future__ import annotations

import time

from mlops_ci.commands.champion import TRIES, ChampionMover
from mlops_ci.core.ledger import History
from mlops_ci.errors import ConflictError, MlopsCiError


def deploy(mover: ChampionMover, history: History) -> tuple[History, str]:
    """Run the team's deployment of the champion, probe which version is served, and record both.

    Returns
    -------
    The history, and what is wrong: empty if the champion is served, or nothing is set up.
    """
    promotion, operate = mover.settings.promotion, mover.tools.operate
    state = mover.state(history)
    if state.champion is None or state.decision is None or operate is None:
        return history, ""
    if not (promotion.deploy_command or promotion.probe_command):
        return history, ""
    # A champion that moves takes all traffic: a canary that runs is about another one.
    variables = deploy_variables(mover, history, state.decision.event, state.champion)
    trouble = ""
    try:
        if promotion.deploy_command:
            operate(promotion.deploy_command, variables)
        if promotion.probe_command:
            trouble = _probe(mover, promotion.probe_command, variables, state.champion)
    except MlopsCiError as error:
        trouble = error.problem
    entry = mover.entry(
        state.decision.event,
        "deployed",
        intent=state.decision.nonce,
        to_version=state.champion,
        ok=not trouble,
        detail=trouble,
    )
    for _ in range(TRIES):
        try:
            return mover.ledger.append(history, entry), trouble
        except ConflictError:
            history = mover.read()
    return history, trouble


def deploy_variables(
    mover: ChampionMover,
    history: History,
    event: str,
    champion: str,
    challenger: str = "",
    share: float = 0.0,
) -> dict[str, str]:
    """Return what `promotion.deploy_command` is told, as environment variables (see docs/promotion.md)."""
    model = mover.model
    return {
        "MLOPS_CI_MODEL_NAME": model,
        "MLOPS_CI_MODEL_VERSION": champion,
        "MLOPS_CI_MODEL_URI": f"models:/{model}/{champion}",
        "MLOPS_CI_PREVIOUS_VERSION": mover.state(history).previous or "",
        "MLOPS_CI_EVENT": event,
        "MLOPS_CI_ENVIRONMENT": mover.environment,
        "MLOPS_CI_VERSION": champion,
        "MLOPS_CI_CHALLENGER": challenger,
        "MLOPS_CI_CHALLENGER_URI": f"models:/{model}/{challenger}" if challenger else "",
        "MLOPS_CI_SHARE": f"{share:g}",
    }


def _probe(mover: ChampionMover, command: str, variables: dict[str, str], version: str) -> str:
    """Run the probe until it agrees or times out; return the problem, or an empty string."""
    operate = mover.tools.operate
    assert operate is not None  # noqa: S101 (the caller looked)
    end = time.monotonic() + mover.settings.promotion.probe_timeout
    while True:
        said = operate(command, variables).strip().splitlines()
        served = said[-1].strip() if said else ""
        if served in (version, f"v{version}"):
            return ""
        if time.monotonic() >= end:
            return f"`promotion.probe_command` says that '{served:.80}' is served, not version {version}"
        time.sleep(min(2.0, max(end - time.monotonic(), 0.0)))
