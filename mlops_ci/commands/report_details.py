"""Report details beside the findings: earlier versions, parameters, the policy, and curves to draw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_ci.adapters.ports import Champion, Registry
from mlops_ci.commands.judge import Judged
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.bundle import Manifest
from mlops_ci.core.curves import curves
from mlops_ci.errors import MlopsCiError
from mlops_ci.settings import Settings

VERSIONS = 8
MAX_MANIFEST = 8 * 2**20


def details(
    settings: Settings, tools: Tools, registry: Registry, manifest: Manifest, judged: Judged
) -> dict[str, Any]:
    """Collect details that make a report easier to read; none affects the verdict, missing ones are left out.

    Returns
    -------
    dict
        ``params`` and ``champion_params``; ``history``, oldest first, each with version, created and
        metrics; ``policy``; ``curves`` (see `mlops_ci.core.curves`).
    """
    found: dict[str, Any] = {"params": dict(manifest.params), "policy": policy_in_words(settings)}
    if judged.champion is not None:
        found["history"] = _history(settings, judged.versions)
        found["champion_params"] = _champion_params(tools, registry, judged.champion)
    # Under `strict` every look at the holdout counts, and a curve is one more.
    if judged.matched is not None and not settings.gate.strict:
        both, least = judged.matched, settings.privacy.min_count
        found["curves"] = curves(
            both.champion, both.candidate, positive=settings.evaluation.positive, least=least
        )
    return {key: value for key, value in found.items() if value}


def policy_in_words(settings: Settings) -> dict[str, Any]:
    """Return the policy in force, without settings left at their defaults."""
    gate = settings.gate.model_dump(exclude_none=True)
    metrics = {
        name: metric.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True)
        for name, metric in settings.metrics.items()
    }
    return {"gate": gate, "metrics": metrics}


def _history(settings: Settings, versions: Sequence[Champion]) -> list[dict[str, Any]]:
    named = {*settings.metrics}
    return [
        {
            "version": one.ref.version,
            "created": one.created,
            "metrics": {name: value for name, value in one.metrics.items() if name in named},
        }
        for one in reversed(versions[:VERSIONS])
    ]


def _champion_params(tools: Tools, registry: Registry, champion: Champion) -> Mapping[str, Any]:
    """Return the parameters in the manifest that was kept with the champion; nothing if there is none."""
    if champion.ref.run_id is None:
        return {}
    try:
        place = registry.download(champion.ref.run_id, tags.MANIFEST_ARTIFACT, tools.scratch / "lineage")
        if place.stat().st_size > MAX_MANIFEST:
            return {}
        kept = json.loads(place.read_bytes())
    except (MlopsCiError, OSError, ValueError, RecursionError):
        return {}
    params = kept.get("params") if isinstance(kept, dict) else None
    return params if isinstance(params, dict) else {}
