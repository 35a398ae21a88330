"""Writes mlops-ci.yaml for `init`, each line with a comment that gives its reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from mlops_ci.core.onboarding.production import production_rows
from mlops_ci.core.onboarding.proposal import DEFAULT_PREDICTIONS, ModelProposal, Proposal


def settings_text(proposal: Proposal, watches: Collection[str] = ()) -> str:
    """Return mlops-ci.yaml, each line with its reason.

    Parameters
    ----------
    watches
        What watches production, of `production.WATCHES`.
    """
    several = len(proposal.models) > 1
    lines = [
        "# What mlops-ci accepts. The target branch's copy is in force, so a pull request cannot loosen it.",
        "# All keys: docs/reference/settings.md of mlops-ci. Edit this file, then run `mlops-ci doctor`.",
    ]
    for one in proposal.models:
        folder = f"{one.name}/" if several else ""
        block = _block(one, proposal.tracking_uri, _watched(one, watches, folder))
        if several:
            lines += ["models:"] if one is proposal.models[0] else []
            block = [("  - " if index == 0 else "    ") + line for index, line in enumerate(block)]
        lines += block
    return "\n".join(line.rstrip() for line in lines) + "\n"


def extended(before: str, proposal: Proposal, watches: Collection[str]) -> str | None:
    """Return a settings file with missing blocks appended; None if it holds several models."""
    keys = set(re.findall(r"^(\w+):", before, re.MULTILINE))
    if "models" in keys or len(proposal.models) != 1:
        return None
    missing = [name for name in watches if name not in keys]
    rows = _watched(proposal.models[0], missing, "")
    if "drift" in keys:
        rows = [row for row in rows if not row[0].lstrip("# ").startswith(("drift:", "reference:"))]
    return "\n".join([before.rstrip("\n"), *_aligned(rows)]) + "\n" if rows else before


def _watched(one: ModelProposal, watches: Collection[str], folder: str) -> list[tuple[str, str]]:
    return production_rows(
        watches,
        one.meaning,
        folder=folder,
        trained_on=quoted(one.trained_on) if one.trained_on else "",
        newer=quoted(one.newer) if one.newer else "",
    )


def _block(one: ModelProposal, tracking_uri: str, more: Sequence[tuple[str, str]] = ()) -> list[str]:
    rows: list[tuple[str, str]] = [("registry:", "")]
    rows.append(
        (f"  model: {quoted(one.name)}", "registered model in MLflow; its alias `champion` is production")
    )
    if tracking_uri and "://" in tracking_uri:
        rows.append((f"  tracking_uri: {quoted(tracking_uri)}", "MLFLOW_TRACKING_URI comes first"))
    pipeline = []
    if one.directory != ".":
        pipeline.append((f"  directory: {quoted(one.directory)}", "folder of the DVC project"))
    if one.targets:
        named = ", ".join(quoted(target) for target in one.targets)
        pipeline.append((f"  targets: [{named}]", "stages to bring up to date, with what they need"))
    if one.environment:
        named = ", ".join(one.environment)
        pipeline.append((f"  environment: [{named}]", "variables that stages may see; the report lists them"))
    rows += [("pipeline:", ""), *pipeline] if pipeline else []
    candidate = []
    if one.model:
        candidate.append((f"  model: {quoted(one.model)}", "what is kept, and promoted after the merge"))
    if one.run_id:
        candidate.append((f"  run_id: {quoted(one.run_id)}", "your own MLflow run is used, none is made"))
    if one.scalars_file:
        candidate.append((f"  metrics: {quoted(one.scalars_file)}", "logged with the candidate's run"))
    rows += [("candidate:", ""), *candidate] if candidate else []
    rows += _evaluation(one)
    rows.append(("metrics:", ""))
    for line in one.metrics:
        inside = ", ".join(f"{key}: {quoted(value)}" for key, value in line.fields.items())
        rows.append((f"  {line.name}: {{{inside}}}", line.why))
    if one.unknown:
        rows.append((f"  # not gated: is more or less better? {', '.join(one.unknown[:6])}", ""))
    return _aligned([*rows, *more])


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return lines with their comments aligned in one column."""
    width = min(46, max((len(text) for text, why in rows if why), default=0))
    return [f"{text:<{width}}  # {why}" if why else text for text, why in rows]


def _evaluation(one: ModelProposal) -> list[tuple[str, str]]:
    if not one.predictions:
        return [
            ("# evaluation:", ""),
            (
                f"#   predictions: {DEFAULT_PREDICTIONS}",
                "one row per id: only with these can a loss be proven",
            ),
        ]
    why = "one row per id, compared row by row" if one.ready else "ADD THIS to the evaluation stage"
    rows = [("evaluation:", ""), (f"  predictions: {quoted(one.predictions)}", why)]
    means = {
        "id": "identifies a row",
        "target": "the true label or value",
        "prediction": "the predicted one",
        "score": "of the positive class",
        "group": "rows of one group are not independent",
        "weight": "of each row",
    }
    rows += [(f"  {part}: {quoted(column)}", means[part]) for part, column in one.meaning.written().items()]
    if one.meaning.slices:
        named = ", ".join(quoted(name) for name in one.meaning.slices[:4])
        rows.append((f"  # slices: [{named}]", "with `slices: true` on a metric, no group may get worse"))
    return rows


def quoted(value: Any) -> str:
    """Return a YAML scalar, quoted if YAML would read it as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not isinstance(value, str) or text.endswith("%"):
        return text
    plain = re.fullmatch(r"[A-Za-z_./][\w./@%-]*(:[\w./@-]+)*", text)
    words = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}
    return (
        text
        if plain and text.lower() not in words
        else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    )
