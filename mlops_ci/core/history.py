"""Questions to the ledger: what became of a version, a commit or a data file, in both directions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mlops_ci.core.formatting import percent
from mlops_ci.core.ledger import Entry, History, moves, promoted_versions

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:mlops-ci:dvc-pipeline:1"


@dataclass(frozen=True, kw_only=True)
class Happening:
    """Something that happened to a version: when, by whom, and what was said."""

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
class Passage:
    """One version's way: what it was made from, and all that happened to it.

    `entry` is the intent that made it champion for the first time.
    """

    version: str
    entry: Entry
    happenings: tuple[Happening, ...] = ()

    def matches(self, query: str) -> bool:
        """Say whether a version, commit, checksum, digest, run or pipeline version is this one's."""
        wanted, entry = query.strip().lower(), self.entry
        if wanted.removeprefix("v") == self.version:
            return True
        if not re.fullmatch(r"[0-9a-f]{7,64}(\.dir)?", wanted):
            return wanted in {path.lower() for path in entry.data}
        names = [entry.commit, entry.candidate_commit, entry.run_id or "", entry.pipeline_version]
        names += [*entry.digests.values(), *entry.data.values()]
        return any(name.lower().startswith(wanted) for name in names if name)


def passages(history: History, environment: str = "") -> list[Passage]:
    """Return the way of every version that was ever champion or canary, in the order of their start.

    The first version that starts on other data after a retraining was triggered is what came of it.
    """
    entries = [entry for entry in history.entries if entry.environment == environment]
    abandoned = {entry.intent for entry in entries if entry.phase == "abandoned"}
    decided = {entry.nonce: entry for entry in moves(entries) if entry.nonce not in abandoned}
    found: dict[str, Passage] = {}
    champion: str | None = None
    asked: Entry | None = None

    def add(version: str, happening: Happening) -> None:
        if version in found:
            one = found[version]
            found[version] = replace(one, happenings=(*one.happenings, happening))

    def start(version: str, entry: Entry) -> None:
        nonlocal asked
        if version in found:
            return
        found[version] = Passage(version=version, entry=entry)
        if asked is not None and entry.data != asked.data:
            add(version, _said(asked, "retrained", f"since version {asked.from_version} had {asked.reason}"))
            asked = None

    for entry in entries:
        if entry.event == "retrain":
            if entry.phase == "recorded" and entry.intent is None and entry.nonce not in abandoned:
                asked = entry
                add(entry.from_version or "", _said(entry, "retraining triggered", entry.reason))
            continue
        if entry.event == "canary" and entry.to_version:
            if entry.phase == "intent":
                start(entry.to_version, entry)
                add(entry.to_version, _said(entry, "canary", canary_act(entry)))
            continue
        about = decided.get(entry.intent or "")
        if entry.phase == "deployed" and about is not None and about.to_version:
            add(about.to_version, _said(entry, "deployed" if entry.ok else "not served", entry.detail))
        if entry.nonce not in decided or entry.to_version is None:
            continue
        target = entry.to_version
        if champion is not None and champion != target:
            back = entry.event == "rollback"
            detail = f"by version {target}" if not back else f"to version {target}"
            reason = f": {entry.reason}" if entry.reason else ""
            add(champion, _said(entry, "rolled back" if back else "replaced", detail + reason))
        start(target, entry)
        what: Any = {"promote": "promoted", "adopt": "adopted"}.get(entry.event, "returned to")
        add(target, _said(entry, what, entry.reason))
        champion = target
    return list(found.values())


def canary_act(entry: Entry) -> str:
    """Say what an intent of a canary is about."""
    details = entry.details
    if details.get("act") == "end":
        reason = f": {entry.reason}" if entry.reason else ""
        words = {"promote": "passed", "rollback": "rolled back", "stop": "stopped"}
        return words.get(str(details.get("outcome")), "ended undecided") + reason
    verb = "started with" if details.get("act") == "start" else "widened to"
    return f"{verb} {percent(float(details.get('share', 0)))} of the traffic"


def _said(entry: Entry, what: Any, detail: str = "") -> Happening:
    return Happening(what=what, time=entry.time, actor=entry.actor, detail=detail, run_url=entry.run_url)


def trace(history: History, query: str, environment: str = "") -> list[Passage]:
    """Return the ways that a version, commit, checksum, digest, run or data path has to do with."""
    return [one for one in passages(history, environment) if one.matches(query)]


def disagreements(
    history: History,
    versions: Mapping[str, Mapping[str, str]],
    names: tuple[str, str],
    environment: str = "",
) -> list[str]:
    """Return, in sentences, where the registry's tags are not what the ledger says.

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
    for one in passages(history, environment):
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


def statement(one: Passage, model: str, repository: str = "") -> dict[str, Any]:
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


__all__: Sequence[str] = ["Happening", "Passage", "disagreements", "passages", "statement", "trace"]
