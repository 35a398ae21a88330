"""From one environment to the next: the champion there becomes the champion here, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlops_ci.adapters.ports import CandidateRecord, Champion
from mlops_ci.commands.candidates import REMEDY, RecordedCandidate, verify_model
from mlops_ci.commands.champion import ChampionMover, champion_mover
from mlops_ci.commands.promote import Offer, carry_out, require_merged
from mlops_ci.commands.promote_report import AS_JUDGED, Confirmation
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import evaluation_digest
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import State, moves
from mlops_ci.core.report import ModelRef, Notice, Report, Source
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings

# What a copy says of itself is written anew by the registry that takes it.
_OWN = {
    *(tags.COMPLETE, tags.SCHEMA, tags.MODEL, tags.MODEL_PATH, tags.LOADABLE, tags.ADOPTED_RUN),
    *(tags.EVALUATION_PATH, tags.EVALUATION_RUN, tags.VERDICT_PATH),
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The environment that a champion is promoted from: its settings, and tools for its registry."""

    settings: Settings
    tools: Tools


def promote_from(
    origin: Origin,
    settings: Settings,
    tools: Tools,
    source: Source,
    word: Confirmation = AS_JUDGED,
    *,
    dry_run: bool = False,
) -> Report:
    """Promote the champion of another environment, if it still passes.

    In one registry the version gets another alias. From another registry the model, its evaluation and its
    evidence are copied, and their digests recomputed from the copy. The recorded evaluation is judged
    against the champion here; nothing is trained or checked anew.

    Raises
    ------
    EvidenceError
        If nothing is champion there, its deployment failed, it was never judged, or bytes are not those that
        were.
    """
    require_merged(tools, source)
    there, here = champion_mover(origin.settings, origin.tools), champion_mover(settings, tools)
    history = there.settled_history(source, dry_run=dry_run)
    state = there.state(history)
    entry, version = _champion(there, history, state)
    found = _found(there, entry, version)
    model, said = verify_model(origin.settings, origin.tools, found)
    text = f"From {_named(there)}, where it is version {version.ref.version}."

    def register(marks: Mapping[str, str]) -> ModelRef:
        if _one_registry(there, here):
            return version.ref
        run = _copied(there, here, found, model)
        return here.registry.create_version(here.model, run, marks)

    offer = Offer(
        found=found,
        commit=entry.commit,
        register=register,
        said=[Notice(text=text), *said],
        details={
            "from": {
                "environment": there.environment,
                "model": there.model,
                "version": version.ref.version,
                "line": history.digest_of(entry.nonce),
            }
        },
    )
    return carry_out(here, offer, source, word, dry_run=dry_run)


def _named(there: ChampionMover) -> str:
    return f"the environment '{there.environment}'" if there.environment else "the environment without a name"


def _champion(there: ChampionMover, history: History, state: State) -> tuple[Entry, Champion]:
    """Return the promotion that judged the champion there, and its version."""
    if state.champion is None:
        raise EvidenceError(
            f"nothing was ever promoted in {_named(there)}", remedy="run `mlops-ci promote` for it first."
        )
    if state.deployed is not None and state.deployed.ok is False:
        raise EvidenceError(
            f"version {state.champion} is the champion of {_named(there)}, but is not served there:"
            f" {state.deployed.detail}",
            remedy="fix the deployment, run `mlops-ci reconcile`, then this again.",
        )
    promotion = there.settings.promotion
    if state.deployed is None and (promotion.deploy_command or promotion.probe_command):
        raise EvidenceError(
            f"version {state.champion} is the champion of {_named(there)}; whether it is served there is not"
            " known, its deployment never ended",
            remedy="run `mlops-ci reconcile` there, then this again.",
        )
    judged = [
        entry
        for entry in moves(history.entries)
        if entry.environment == there.environment
        and entry.to_version == state.champion
        and entry.event == "promote"
    ]
    version = there.registry.version(there.model, state.champion)
    if not judged or version is None:
        raise EvidenceError(
            f"version {state.champion}, the champion of {_named(there)}, was never judged", remedy=REMEDY
        )
    return judged[-1], version


def _found(there: ChampionMover, entry: Entry, version: Champion) -> RecordedCandidate:
    """Return the candidate that a version was created from, with the judgement that the ledger names."""
    run_id, path = version.ref.run_id or "", version.tags.get(tags.VERDICT_PATH)
    if path is None:
        raise EvidenceError(f"version {version.ref.version} has no judgement", remedy=REMEDY)
    kept = there.registry.download(run_id, path, there.tools.scratch / "judgement")
    judgement = there.tools.read_judgement(kept)
    if judgement.digest() != entry.digests.get("verdict"):
        raise EvidenceError(
            f"the judgement of version {version.ref.version} is not the one that the ledger names",
            remedy="someone changed the artifact: find out who, then run the check again.",
        )
    if judgement.manifest.model_digest != entry.digests.get("model"):
        raise EvidenceError(f"version {version.ref.version} was judged with other bytes", remedy=REMEDY)
    return RecordedCandidate(
        record=there.registry.candidate(run_id), judgement=judgement, home=there.registry
    )


def _one_registry(there: ChampionMover, here: ChampionMover) -> bool:
    mine, theirs = here.settings.registry, there.settings.registry
    return (mine.tracking_uri, mine.registry_uri, mine.model) == (
        theirs.tracking_uri,
        theirs.registry_uri,
        theirs.model,
    )


def _copied(there: ChampionMover, here: ChampionMover, found: RecordedCandidate, model: Path) -> ModelRef:
    """Copy a candidate into this registry and verify the copy; an existing copy is reused."""
    record, judgement = found.record, found.judgement
    carried = {name: value for name, value in record.tags.items() if name.startswith(tags.PREFIX)}
    carried = {name: value for name, value in carried.items() if name not in _OWN}
    carried[tags.COPIED_FROM] = f"{there.model} in {_named(there)}, run {record.ref.run_id}"
    manifest = judgement.manifest
    ref = here.registry.record(
        CandidateRecord(
            model=here.model,
            name=f"{here.model} {manifest.head[:10]}",
            params=manifest.params,
            metrics=record.metrics,
            tags=carried,
            artifacts=_artifacts(there, found, model),
        )
    )
    _prove_copy(here, found, ref)
    place = there.tools.scratch / "verdict.json"
    place.write_bytes(judgement.document())
    path = f"{tags.VERDICT_FOLDER}/{judgement.digest()[:16]}.json"
    marks = {tags.VERDICT: judgement.verdict.verdict.value, tags.VERDICT_PATH: path}
    here.registry.keep(ref.run_id or "", {path: place}, marks)
    return ref


def _artifacts(there: ChampionMover, found: RecordedCandidate, model: Path) -> dict[str, Path]:
    """Download a candidate's artifacts; return their local paths by their place in the run."""
    record, run_id = found.record, found.record.ref.run_id or ""
    artifacts = {tags.MODEL_ARTIFACT if model.is_dir() else f"{tags.MODEL_ARTIFACT}/{model.name}": model}
    into = there.tools.scratch / "copied"
    if record.evaluation:
        artifacts[tags.EVALUATION_ARTIFACT] = there.registry.download(run_id, record.evaluation, into)
    # In a run of the team's own, ours are in a folder of theirs.
    folder = record.tags.get(tags.MODEL_PATH, "").partition(tags.MODEL_ARTIFACT)[0]
    for name in (tags.DVC_LOCK_ARTIFACT, tags.MANIFEST_ARTIFACT, tags.PROFILE_ARTIFACT):
        with suppress(EvidenceError):
            artifacts[name] = there.registry.download(run_id, folder + name, into)
    return artifacts


def _prove_copy(here: ChampionMover, found: RecordedCandidate, ref: ModelRef) -> None:
    """Download the copy, and refuse it if it is not what was judged."""
    copy = here.registry.candidate(ref.run_id or "")
    into = here.tools.scratch / "copy"
    digests = {"model": found.digest, "evaluation": found.judgement.evaluation_digest}
    place = here.registry.download(ref.run_id or "", copy.tags[tags.MODEL_PATH], into)
    now = {"model": here.tools.files.digest(place), "evaluation": digests["evaluation"]}
    if copy.evaluation:
        kept = here.registry.download(ref.run_id or "", copy.evaluation, into)
        now["evaluation"] = evaluation_digest(here.tools.evaluations.load(kept))
    wrong = [name for name, digest in digests.items() if digest != now[name]]
    if wrong:
        raise EvidenceError(
            f"the copy of the {' and the '.join(wrong)} in {_named(here)} is not what was judged",
            remedy="delete the run there, look at its artifact store, then run this again.",
        )
