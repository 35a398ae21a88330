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
            names = ", ".join(metric.name for metric in model.metrics)
            said.append(f"no predictions of '{model.name}', only single numbers: {names}")
        else:
            said.append("no predictions and no metrics that can be compared")
    if facts.tracking_uri:
        said.append(f"MLflow: {facts.tracking_uri} (from {facts.tracking_from})")
    else:
        said.append("no address of MLflow: set the variable MLFLOW_TRACKING_URI where the gate runs")
    for project in facts.projects:
        for name, url in project.remotes.items():
            local = "" if "://" in url else ", a folder that hosted runners cannot reach"
            said.append(f"DVC remote '{name}': {url}{local}")
        if not project.remotes:
            said.append("no DVC remote, so a runner could not get the data (`dvc remote add --default`)")
    assumed = "GitHub (assumed: no git remote names a forge)"
    said.append({"github": "GitHub", "gitlab": "GitLab", "": assumed}[facts.forge])
    return said


def _pipeline(project: ProjectFact) -> str:
    where = "" if project.directory == "." else f" in {project.directory}"
    names = [stage.address for stage in project.stages]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    if not names:
        return f"a DVC project{where} without stages: describe them in dvc.yaml"
    unresolved = "" if project.complete else "; a template in dvc.yaml could not be resolved"
    return f"a DVC pipeline{where}: {shown}{unresolved}"
