"""Queries on the ledger: the history of a version, a commit or a data file, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlops_ci.core.formatting import percent
from mlops_ci.core.ledger import Entry, History
from mlops_ci.core.ledger_state import moves, promoted_versions

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:mlops-ci:dvc-pipeline:1"


@dataclass(frozen=True, kw_only=True)
class VersionEvent:
    """Something that happened to a version: what, when, and by whom."""

    what: Literal[
        "promoted",
        "adopted",
        "deployed",
        "not served",
        "rolled back",
        "replaced",
        "returned to",
        "canary",
        "retraining triggered",
        "retrained",
    ]
    time: str
    actor: str = ""
    detail: str = ""
    run_url: str = ""


@dataclass(frozen=True, kw_only=True)
class VersionHistory:
    """What one version was made from, and all that happened to it.

    `entry` is the intent that made it champion for the first time; of a number that was given to another
    model since, that model's.
    """

    version: str
    entry: Entry
    events: tuple[VersionEvent, ...] = ()

    def matches(self, query: str) -> bool:
        """Return whether a version, commit, checksum, digest, run or pipeline version is this one's."""
        wanted, entry = query.strip().lower(), self.entry
        if wanted.removeprefix("v") == self.version:
            return True
        if not re.fullmatch(r"[0-9a-f]{7,64}(\.dir)?", wanted):
            return wanted in {path.lower() for path in entry.data}
        names = [entry.commit, entry.candidate_commit, entry.run_id or "", entry.pipeline_version]
        names += [*entry.digests.values(), *entry.data.values()]
        return any(name.lower().startswith(wanted) for name in names if name)


def version_histories(history: History, environment: str = "") -> list[VersionHistory]:
    """Return what became of every version that was ever champion or canary, in the order of their start.

    The first version on other data after a retraining was triggered counts as that retraining's result.
    """
    entries = [entry for entry in history.entries if entry.environment == environment]
    abandoned = {entry.intent for entry in entries if entry.phase == "abandoned"}
    decisions = {entry.nonce: entry for entry in moves(entries) if entry.nonce not in abandoned}
    found = _Histories()
    for entry in entries:
        if entry.event == "retrain":
            if entry.phase == "recorded" and entry.intent is None and entry.nonce not in abandoned:
                found.retraining_triggered(entry)
            continue
        if entry.event == "canary" and entry.to_version:
            if entry.phase == "intent":
                found.begin(entry.to_version, entry)
                found.add(entry.to_version, _event(entry, "canary", canary_act(entry)))
            continue
        decision = decisions.get(entry.intent or "")
        if entry.phase == "deployed" and decision is not None and decision.to_version:
            what = "deployed" if entry.ok else "not served"
            found.add(decision.to_version, _event(entry, what, entry.detail))
        if entry.nonce in decisions and entry.to_version is not None:
            found.champion_moved(entry, entry.to_version)
    return list(found.versions.values())


class _Histories:
    """Version histories while the ledger is read, entry by entry."""

    def __init__(self) -> None:
        self.versions: dict[str, VersionHistory] = {}
        self._champion: str | None = None
        self._retraining: Entry | None = None

    def add(self, version: str, event: VersionEvent) -> None:
        if version in self.versions:
            one = self.versions[version]
            self.versions[version] = replace(one, events=(*one.events, event))

    def begin(self, version: str, entry: Entry) -> None:
        there = self.versions.get(version)
        if there is not None:
            # A registry that was restored gives numbers a second time: the model of today is the newer one.
            names = {one.digests.get("model") for one in (there.entry, entry)}
            if entry.event != "rollback" and len(names - {None}) == 2:
                self.versions[version] = replace(there, entry=entry)
            return
        self.versions[version] = VersionHistory(version=version, entry=entry)
        asked = self._retraining
        if asked is not None and entry.data != asked.data:
            reason = f"since version {asked.from_version} had {asked.reason}"
            self.add(version, _event(asked, "retrained", reason))
            self._retraining = None

    def retraining_triggered(self, entry: Entry) -> None:
        self._retraining = entry
        self.add(entry.from_version or "", _event(entry, "retraining triggered", entry.reason))

    def champion_moved(self, entry: Entry, target: str) -> None:
        before = self._champion
        if before is not None and before != target:
            reason = f": {entry.reason}" if entry.reason else ""
            if entry.event == "rollback":
                self.add(before, _event(entry, "rolled back", f"to version {target}{reason}"))
            else:
                self.add(before, _event(entry, "replaced", f"by version {target}{reason}"))
        self.begin(target, entry)
        what: Any = {"promote": "promoted", "adopt": "adopted"}.get(entry.event, "returned to")
        self.add(target, _event(entry, what, entry.reason))
        self._champion = target


def canary_act(entry: Entry) -> str:
    """Return what an intent of a canary does, in words."""
    details = entry.details
    if details.get("act") == "end":
        reason = f": {entry.reason}" if entry.reason else ""
        words = {"promote": "passed", "rollback": "rolled back", "stop": "stopped"}
        return words.get(str(details.get("outcome")), "ended undecided") + reason
    verb = "started with" if details.get("act") == "start" else "widened to"
    return f"{verb} {percent(float(details.get('share', 0)))} of the traffic"


def _event(entry: Entry, what: Any, detail: str = "") -> VersionEvent:
    return VersionEvent(what=what, time=entry.time, actor=entry.actor, detail=detail, run_url=entry.run_url)


def trace(history: History, query: str, environment: str = "") -> list[VersionHistory]:
    """Return the histories that a version, commit, checksum, digest, run or data path appears in."""
    return [one for one in version_histories(history, environment) if one.matches(query)]


def disagreements(
    history: History,
    versions: Mapping[str, Mapping[str, str]],
    names: tuple[str, str],
    environment: str = "",
) -> list[str]:
    """Return, in sentences, where the registry's tags disagree with the ledger.

    Parameters
    ----------
    versions
        Tags of each version that is in the registry.
    names
        Names of the tags that hold the model's digest and the ledger's line.
    """
    digest_tag, anchor_tag = names
    said = []
    champions = promoted_versions(history, environment)
    for one in version_histories(history, environment):
        tags = versions.get(one.version)
        digest = one.entry.digests.get("model")
        if tags is None and one.version not in champions:
            continue  # a canary that did not make it may be deleted
        if tags is None:
            said.append(f"version {one.version} was champion, and is not in the registry any more")
            continue
        if digest and tags.get(digest_tag) and tags[digest_tag] != digest:
            said.append(
                f"version {one.version}: its tag names the model {tags[digest_tag][:12]},"
                f" the ledger {digest[:12]}"
            )
    for version, tags in versions.items():
        anchor = tags.get(anchor_tag)
        if anchor and anchor not in history.digests:
            said.append(
                f"version {version}: its tag names a line {anchor[:12]} that the ledger does not have"
            )
    return said


def statement(one: VersionHistory, model: str, repository: str = "") -> dict[str, Any]:
    """Return the provenance of a version as an in-toto statement with a SLSA predicate.

    It says what the ledger says; a signature of the forge's attestation action says who said so.

    References
    ----------
    https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md, https://slsa.dev/spec/v1.0/provenance
    """
    entry = one.entry
    digest = entry.digests.get("model", "")
    source = {
        "uri": f"git+{repository}" if repository else "git",
        "digest": {"gitCommit": entry.candidate_commit},
    }
    return {
        "_type": STATEMENT,
        "subject": [{"name": f"models:/{model}/{one.version}", "digest": {"sha256": digest}}],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "pipelineVersion": entry.pipeline_version,
                    "mergedCommit": entry.commit,
                    "mlflowRun": entry.run_id or "",
                },
                "internalParameters": {"verdict": entry.verdict, "approval": dict(entry.approval)},
                "resolvedDependencies": [
                    source,
                    *(
                        {"name": path, "digest": _digest_set(value)}
                        for path, value in sorted(entry.data.items())
                    ),
                ],
            },
            "runDetails": {
                "builder": {"id": entry.run_url or "urn:mlops-ci:local"},
                "metadata": {"invocationId": entry.nonce, "finishedOn": entry.time},
                "byproducts": [
                    {"name": name, "digest": {"sha256": value}}
                    for name, value in sorted(entry.digests.items())
                    if name != "model"
                ],
            },
        },
    }


def _digest_set(checksum: str) -> dict[str, str]:
    """Return a checksum of DVC under the name of its algorithm: a directory's is the MD5 of its listing."""
    if checksum.endswith(".dir"):
        return {"dvcDirectoryMd5": checksum.removesuffix(".dir")}
    return {"md5": checksum} if re.fullmatch(r"[0-9a-f]{32}", checksum) else {"dvc": checksum}
