"""`init`: propose the settings and workflows of a repository, and write what was shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mlops_ci.adapters.ports.onboarding import WorkTree
from mlops_ci.core.onboarding.facts import Facts, Forge
from mlops_ci.core.onboarding.production import to_do
from mlops_ci.core.onboarding.proposal import DEFAULT_PREDICTIONS, Proposal, propose
from mlops_ci.core.onboarding.settings_text import extended, settings_text
from mlops_ci.core.onboarding.snippets import snippet
from mlops_ci.core.onboarding.summary import sentences
from mlops_ci.core.onboarding.workflows import PLACEHOLDER, Values, filled, gitlab_include, without_retraining
from mlops_ci.core.report import Action, Notice, Report

SETTINGS = "mlops-ci.yaml"
# What MLflow without a server keeps in the folder that it is used in.
LOCAL_MLFLOW = ("mlflow.db", "mlruns/")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The user's choices, which override what was found.

    Attributes
    ----------
    model, tracking_uri
        Name of the registered model, and MLflow's address; None takes what was found.
    action
        ``owner/mlops-ci@ref`` for the workflows; None leaves the placeholder.
    forge
        Where the workflows run, if not where the git remote says.
    one_job
        The workflow for repositories that trust everyone who opens pull requests.
    forks
        The pair of workflows for repositories that take pull requests from forks.
    promote
        Whether to propose the workflow that promotes after a merge, too.
    watches
        What watches production, of `core.onboarding.production.WATCHES`.
    force
        Overwrite what is there.
    """

    model: str | None = None
    tracking_uri: str | None = None
    action: str | None = None
    forge: Forge | None = None
    one_job: bool = False
    forks: bool = False
    promote: bool = True
    watches: tuple[str, ...] = ()
    force: bool = False


def init(
    facts: Facts, choices: Choices, templates: Mapping[str, str], tree: WorkTree, *, write: bool
) -> Report:
    """Propose files, and write those that are not there yet.

    Parameters
    ----------
    templates
        Text of our workflows by file name.
    write
        False only shows.
    """
    facts = replace(facts, forge=choices.forge or facts.forge)
    proposal = propose(facts, choices.model, choices.tracking_uri)
    files = {SETTINGS: settings_text(proposal, choices.watches), **_workflows(facts, choices, templates)}
    actions, shown = [], []
    for path, text in files.items():
        proposed, state = _decided(text, tree.text(path), choices, proposal if path == SETTINGS else None)
        writes = state in {"new", "replaced", "extended"}
        if writes and write:
            tree.write(path, proposed)
        if writes:
            actions.append(Action(kind="write_file", target=path, value=state, applied=write))
        shown.append({"path": path, "text": proposed, "state": state})
    ignored = _ignored(proposal, tree)
    if ignored:
        before = tree.text(".gitignore")
        state = "new" if before is None else "extended"
        if write:
            start = before.rstrip("\n") + "\n" if before else ""
            tree.write(".gitignore", start + ignored)
        actions.append(Action(kind="write_file", target=".gitignore", value=state, applied=write))
        shown.append({"path": ".gitignore", "text": ignored, "state": state})
    return Report(
        command="init",
        model=proposal.models[0].name if len(proposal.models) == 1 else "",
        headline=_headline(actions, write=write),
        next_step=_next_step(proposal, write=write),
        notices=tuple(_notices(facts, choices, proposal, shown)),
        actions=tuple(actions),
        details={"found": sentences(facts, proposal), "files": shown, "predictions": _lines(facts, proposal)},
    )


def _ignored(proposal: Proposal, tree: WorkTree) -> str:
    """Return the lines that keep MLflow's local files out of git; none where it is a server."""
    if proposal.tracking_uri and not proposal.tracking_uri.startswith("sqlite"):
        return ""
    there = {line.strip().strip("/") for line in (tree.text(".gitignore") or "").splitlines()}
    return "".join(f"{name}\n" for name in LOCAL_MLFLOW if name.strip("/") not in there)


def _decided(text: str, before: str | None, choices: Choices, settings: Proposal | None) -> tuple[str, str]:
    """Return the new text of a file, and its state: new, unchanged, replaced, kept or extended."""
    if before is None:
        return text, "new"
    if before == text:
        return text, "unchanged"
    if choices.force:
        return text, "replaced"
    # Settings that a team has made its own stay as they are, and get what they are missing.
    longer = extended(before, settings, choices.watches) if settings else None
    return (text, "kept") if longer is None or longer == before else (longer, "extended")


def _workflows(facts: Facts, choices: Choices, templates: Mapping[str, str]) -> dict[str, str]:
    """Return the files that the forge runs, by path."""
    if facts.forge == "gitlab":
        text = gitlab_include(choices.action or PLACEHOLDER, choices.watches, promote=choices.promote)
        return {".gitlab-ci.yml": text}
    schemes = {
        url.partition("://")[0]
        for project in facts.projects
        for url in project.remotes.values()
        if "://" in url
    }
    values = Values(
        action=choices.action or PLACEHOLDER,
        branch=facts.branch,
        install=facts.install,
        python=facts.python or Values.python,
        schemes=tuple(sorted(schemes)),
    )
    names = {"mlops-ci.yml": "mlops-ci-one-job.yml" if choices.one_job else "mlops-ci.yml"}
    names |= (
        {"mlops-ci.yml": "mlops-ci-forks.yml", "mlops-ci-gate.yml": "mlops-ci-gate.yml"}
        if choices.forks
        else {}
    )
    names |= {"mlops-ci-promote.yml": "promote.yml"} if choices.promote else {}
    names |= {f"mlops-ci-{name}.yml": f"{name}.yml" for name in choices.watches}
    texts = {name: templates[source] for name, source in names.items()}
    if "monitor" in choices.watches and "retrain" not in choices.watches:
        texts["mlops-ci-monitor.yml"] = without_retraining(texts["mlops-ci-monitor.yml"])
    return {f".github/workflows/{name}": filled(text, values) for name, text in texts.items()}


def _headline(actions: list[Action], *, write: bool) -> str:
    if not actions:
        return "nothing to write: all is there already"
    count = f"{len(actions)} file{'s' if len(actions) != 1 else ''}"
    return f"wrote {count}" if write else f"{count} would be written"


def _next_step(proposal: Proposal, *, write: bool) -> str:
    if not write:
        return "Write them with `mlops-ci init --yes`."
    first = (
        ""
        if all(model.ready for model in proposal.models)
        else "Add the lines above to the evaluation stage, then "
    )
    names = [model.name for model in proposal.models]
    each = f" --model {names[0]}` (and the same for {', '.join(names[1:])})" if len(names) > 1 else "`"
    text = (
        "commit these files to the main branch, make its model the champion with"
        f" `mlops-ci adopt --from-pipeline{each}, and run `mlops-ci doctor`."
    )
    return first + text if first else text[0].upper() + text[1:]


def _notices(facts: Facts, choices: Choices, proposal: Proposal, shown: list[dict[str, str]]) -> list[Notice]:
    gitlab = facts.forge == "gitlab"
    kept = [one["path"] for one in shown if one["state"] == "kept"]
    texts = [f"{path} is there already and was left as it is; --force overwrites it." for path in kept]
    if choices.action is None and any(PLACEHOLDER in one["text"] for one in shown):
        texts.append(
            f"The workflows say {PLACEHOLDER}: this installation does not know the repository it came from. "
            "Give --action owner/mlops-ci@<commit>, or replace it by hand."
        )
    if proposal.tracking_uri.startswith("sqlite") and not gitlab:
        texts.append(
            "MLflow is a file on this machine: a runner needs a server, as the variable MLFLOW_TRACKING_URI."
        )
    if not facts.install and not gitlab:
        texts.append(
            "No requirements.txt, lock file or pyproject.toml: add a step to the workflow that installs "
            "what the stages need."
        )
    if any(not model.predictions for model in proposal.models):
        texts.append(
            "Without predictions, a real loss and chance look the same: add the lines above, so that a loss"
            " can be proven."
        )
    newer = all(model.newer for model in proposal.models)
    texts += to_do(choices.watches, newer=newer, gitlab=gitlab)
    return [Notice(text=text, level="warning") for text in texts]


def _lines(facts: Facts, proposal: Proposal) -> dict[str, str] | None:
    """Return the code snippet for a repository that writes no predictions yet."""
    if all(model.predictions and model.ready for model in proposal.models):
        return None
    framework, lines = snippet(facts.frameworks, DEFAULT_PREDICTIONS)
    where = facts.evaluation_code or "the script of your evaluation stage"
    return {"framework": framework, "where": where, "lines": lines, "output": DEFAULT_PREDICTIONS}
