"""The facts found in a repository, in sentences."""

from __future__ import annotations

from mlops_ci.core.onboarding.facts import Facts, ProjectFact
from mlops_ci.core.onboarding.proposal import Proposal


def sentences(facts: Facts, proposal: Proposal) -> list[str]:
    """Return one sentence for each thing that `init` looks for."""
    said = [_pipeline(project) for project in facts.projects]
    said = said or [
        "no DVC project (.dvc/config) is here: run `dvc init`, then describe the stages in dvc.yaml"
    ]
    for model in proposal.models:
        if model.predictions and model.ready:
            rows = f", {model.rows:,} rows" if model.rows else ", not here to be read"
            said.append(f"predictions of '{model.name}': {model.predictions}{rows}")
        elif model.ready:
            said.append(
                f"no predictions of '{model.name}', only numbers: {', '.join(m.name for m in model.metrics)}"
            )
        else:
            said.append("neither predictions nor metrics that can be compared")
    if facts.tracking_uri:
        said.append(f"MLflow: {facts.tracking_uri} (from {facts.tracking_from})")
    else:
        said.append("no address of MLflow: set the variable MLFLOW_TRACKING_URI where the gate runs")
    for project in facts.projects:
        for name, url in project.remotes.items():
            local = "" if "://" in url else ", a folder: no runner can reach it"
            said.append(f"DVC remote '{name}': {url}{local}")
        if not project.remotes:
            said.append("no DVC remote: a runner has no data without one (`dvc remote add --default`)")
    said.append(
        {"github": "GitHub", "gitlab": "GitLab", "": "no forge by its remote: GitHub is assumed"}[facts.forge]
    )
    return said


def _pipeline(project: ProjectFact) -> str:
    where = "" if project.directory == "." else f" in {project.directory}"
    names = [stage.address for stage in project.stages]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if not names:
        return f"a DVC project{where} without stages: describe them in dvc.yaml"
    unresolved = "" if project.complete else "; a template in dvc.yaml could not be resolved"
    return f"a DVC pipeline{where}: {shown}{unresolved}"
