"""The team's own deployment of the champion: run, probed, and written down."""

from __future__ import annotations

import time

from mlops_ci.commands.champion import TRIES, ChampionMover
from mlops_ci.core.ledger import History
from mlops_ci.errors import ConflictError, MlopsCiError


def deploy(mover: ChampionMover, history: History) -> tuple[History, str]:
    """Run the team's deployment of the champion, ask which version is served, and write down both.

    Returns
    -------
    The history, and what is wrong: empty where the champion is served, or nothing is set up.
    """
    promotion, operate = mover.settings.promotion, mover.tools.operate
    state = mover.state(history)
    if state.champion is None or state.decision is None or operate is None:
        return history, ""
    if not (promotion.deploy_command or promotion.probe_command):
        return history, ""
    variables = {
        "MLOPS_CI_MODEL_NAME": mover.model,
        "MLOPS_CI_MODEL_VERSION": state.champion,
        "MLOPS_CI_MODEL_URI": f"models:/{mover.model}/{state.champion}",
        "MLOPS_CI_PREVIOUS_VERSION": state.previous or "",
        "MLOPS_CI_EVENT": state.decision.event,
        "MLOPS_CI_ENVIRONMENT": mover.environment,
        # A champion that moves takes all traffic: a canary that runs is about another one.
        "MLOPS_CI_VERSION": state.champion,
        "MLOPS_CI_CHALLENGER": "",
        "MLOPS_CI_CHALLENGER_URI": "",
        "MLOPS_CI_SHARE": "0",
    }
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


def _probe(mover: ChampionMover, command: str, variables: dict[str, str], version: str) -> str:
    """Ask until the probe agrees or its time is up; return what is wrong, or empty text."""
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
