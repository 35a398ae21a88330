"""What the registry knows of a version, as the ledger records it: digests, and the checksums of its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mlops_ci.adapters.ports import Registry
from mlops_ci.core import tags
from mlops_ci.errors import EvidenceError

_DIGESTS = {
    "model": tags.MODEL_DIGEST,
    "evaluation": tags.EVALUATION_DIGEST,
    "holdout": tags.HOLDOUT_DIGEST,
    "dvc_lock": tags.DVC_LOCK_DIGEST,
}


def digests_of(carried: Mapping[str, str]) -> dict[str, str]:
    """Return the digests in a version's tags, under the ledger's names."""
    return {name: carried[tag] for name, tag in _DIGESTS.items() if carried.get(tag)}


def data_of(registry: Registry, run_id: str | None, scratch: Path) -> dict[str, str]:
    """Return the data checksums in a run's manifest; empty if it has no manifest."""
    if not run_id:
        return {}
    try:
        place = registry.download(run_id, tags.MANIFEST_ARTIFACT, scratch / "manifest")
        listed = json.loads(place.read_bytes())["lineage"]["data"]
        return {str(one["path"]): str(one["checksum"]) for one in listed if one["checksum"]}
    except (EvidenceError, ValueError, KeyError, TypeError):
        return {}
