"""`lineage`: from a data file's checksum to the deployment's time, and back, in one call."""

from __future__ import annotations

from typing import Any

from mlops_ci.commands.champion import ChampionMover, champion_mover
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.history import VersionHistory, disagreements, statement, trace, version_histories
from mlops_ci.core.ledger import History
from mlops_ci.core.report import Notice, Report, Source, plain
from mlops_ci.errors import EvidenceError, UsageError
from mlops_ci.settings import Settings

MANY = 10_000


def lineage(
    settings: Settings,
    tools: Tools,
    source: Source,
    query: str | None = None,
    *,
    verify: bool = False,
) -> Report:
    """Report what the ledger knows about a version, a commit, a checksum, a run or a data path.

    Parameters
    ----------
    query
        None tells of all versions that ever were champion, newest last.
    verify
        Check the ledger's chain against the registry's tags and aliases too.

    Raises
    ------
    UsageError
        If the ledger knows nothing of it.
    """
    mover = champion_mover(settings, tools)
    history = mover.read()
    here = mover.environment
    found = trace(history, query, here) if query else version_histories(history, here)
    if query and not found:
        raise UsageError(
            f"the ledger of '{mover.model}' knows nothing of '{query:.80}'",
            remedy="name a version, a commit or checksum (7 digits or more), a run, or a data path;"
            " without an argument all are listed; what never was champion is in MLflow only.",
        )
    aliases = mover.registry.aliases(mover.model)
    wrong = _wrong(mover, history, aliases) if verify else []
    return Report(
        command="lineage",
        model=mover.model,
        exit_code=EvidenceError.exit_code if wrong else 0,
        headline=_headline(mover.model, history, found, query, verify=verify, wrong=wrong),
        next_step=_next_step(found, wrong),
        notices=tuple(Notice(text=f"{text[0].upper()}{text[1:]}.", level="danger") for text in wrong),
        source=source,
        details={
            "query": query,
            "champion": mover.state(history).champion,
            "versions": [_described(one, mover.model, aliases) for one in found],
            "ledger": {
                "address": mover.ledger.address,
                "head": history.head,
                "entries": len(history.entries),
                "verified": verify and not wrong,
            },
        },
    )


def _wrong(mover: ChampionMover, history: History, aliases: Any) -> list[str]:
    """Return disagreements with the registry; the hash chain was verified when the history was read."""
    versions = {one.ref.version or "": one.tags for one in mover.registry.history(mover.model, MANY)}
    names = (tags.MODEL_DIGEST, tags.ledger_head(mover.alias))
    said = disagreements(history, versions, names, mover.environment)
    state = mover.state(history)
    named = aliases.get(mover.alias)
    if named != state.champion and state.open is None:
        said.append(f"the alias '{mover.alias}' names {named or 'nothing'}, the ledger {state.champion}")
    return said


def _next_step(found: list[VersionHistory], wrong: list[str]) -> str:
    if wrong:
        return "Find out who changed what; `mlops-ci reconcile` repairs what can be."
    return "" if found else "The ledger begins with the first `mlops-ci promote`."


def _headline(
    model: str,
    history: History,
    found: list[VersionHistory],
    query: str | None,
    *,
    verify: bool,
    wrong: list[str],
) -> str:
    if wrong:
        return f"{model}: ledger and registry do not agree in {len(wrong)} ways"
    if verify:
        return f"{model}: {len(history.entries)} entries agree with each other and with the registry"
    if not found:
        return f"{model}: nothing was ever promoted"
    listed = ", ".join(one.version for one in found[-10:])
    count = f"version {listed}" if len(found) == 1 else f"{len(found)} versions ({listed})"
    return f"{model}: {count}" + (f" for {query}" if query else "")


def _described(one: VersionHistory, model: str, aliases: Any) -> dict[str, Any]:
    """Return a version's history as plain values for templates and JSON."""
    entry = one.entry
    return {
        "version": one.version,
        "aliases": sorted(alias for alias, version in aliases.items() if version == one.version),
        "commit": entry.commit,
        "candidate_commit": entry.candidate_commit,
        "run_id": entry.run_id,
        "run_url": entry.run_url,
        "pipeline_version": entry.pipeline_version,
        "verdict": entry.verdict,
        "approval": dict(entry.approval),
        "digests": dict(entry.digests),
        "data": dict(entry.data),
        "from": dict(entry.details.get("from", {})),
        "happenings": [plain(event) for event in one.events],
        "provenance": statement(one, model),
    }
