"""Fills in our workflow templates for one repository."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

PLACEHOLDER = "OWNER/mlops-ci@REF"
_INSTALL = "python -m pip install -r requirements.txt"
# The part of monitor.yml that decides whether to train again.
_RETRAIN = "command: retrain"
_SCHEDULES = {"reconcile": "23 * * * *", "monitor": "17 * * * *", "canary": "7,22,37,52 * * * *"}
# Inputs of the GitLab component: commands that bring what a job reads.
_INPUTS = {
    "monitor": (
        "production",
        '"true" # brings production\'s rows: aws s3 sync s3://BUCKET/production data/production',
    ),
    "canary": ("outcomes", '"true" # brings what was served: aws s3 sync s3://BUCKET/outcomes outcomes'),
    "retrain": (
        "newer-data",
        '"true" # writes newer rows to `retrain.data`: python src/export.py data/train.csv',
    ),
}
# Plugin of DVC for each kind of remote, and the secrets that it reads its credential from.
PLUGINS = {
    "s3": ("dvc-s3", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
    "gs": ("dvc-gs", ()),
    "azure": ("dvc-azure", ("AZURE_STORAGE_CONNECTION_STRING",)),
    "gdrive": ("dvc-gdrive", ("GDRIVE_CREDENTIALS_DATA",)),
    "ssh": ("dvc-ssh", ()),
    "hdfs": ("dvc-hdfs", ()),
    "webdav": ("dvc-webdav", ()),
    "webdavs": ("dvc-webdav", ()),
    "oss": ("dvc-oss", ()),
}


@dataclass(frozen=True, kw_only=True)
class Values:
    """The values that fill in a workflow template.

    Attributes
    ----------
    action
        ``owner/mlops-ci@ref``.
    branch
        The branch that is guarded.
    install
        Command that installs what the stages need; empty leaves the step out.
    python
        Version for the stages.
    schemes
        Kinds of DVC remotes (``s3``).
    """

    action: str = PLACEHOLDER
    branch: str = "main"
    install: str = _INSTALL
    python: str = "3.11"
    schemes: tuple[str, ...] = ()


def filled(template: str, values: Values) -> str:
    """Return a workflow for one repository."""
    text = template.replace(PLACEHOLDER, values.action)
    text = text.replace("branches: [main]", f"branches: [{values.branch}]")
    text = re.sub(r'python-version: "[\d.]+"', f'python-version: "{values.python}"', text)
    if values.install:
        text = text.replace(_INSTALL, values.install)
    else:
        text = re.sub(rf" +- name: [^\n]*\n +run: {re.escape(_INSTALL)}\n", "", text)
    return _with_remote(text, values)


def without_retraining(workflow: str) -> str:
    """Return the workflow that monitors without its last step, which starts a training."""
    lines = workflow.split("\n")
    (found,) = [i for i, line in enumerate(lines) if line.strip() == _RETRAIN]
    start = max(i for i in range(found) if lines[i].lstrip().startswith("- "))
    said = start - 1 if lines[start - 1].lstrip().startswith("#") else start
    del lines[said : start + len(_step(lines, start))]
    return "\n".join(lines)


def _with_remote(text: str, values: Values) -> str:
    """Give the steps that fetch or push data the remote's plugin, and a credential of their own."""
    known = [PLUGINS[scheme] for scheme in values.schemes if scheme in PLUGINS]
    if not known:
        return text
    lines = text.split("\n")
    steps = [i for i, line in enumerate(lines) if line.lstrip().startswith(f"- uses: {values.action}")]
    verbs = {i: _verb("\n".join(_step(lines, i))) for i in steps}
    for start in reversed(steps):
        if verbs[start] == "data":
            why, prefix = "one that may write, for new data are pushed", "DVC_PUSH"
        elif verbs[start] in ("reproduce", "check"):
            why, prefix = "a read-only one, for a hostile stage might find it", "DVC"
        else:
            continue
        end = start + len(_step(lines, start))
        lines[end:end] = _remote_lines(lines[start], known, why, prefix)
    return "\n".join(lines)


def _verb(step: str) -> str:
    """Return the verb that one of our steps runs; `check --evidence` is distinguished, it fetches nothing."""
    found = re.search(r"^ +command: (\S+)", step, re.MULTILINE)
    return found[1] if found else "judge" if "evidence:" in step else "check"


def _remote_lines(
    first: str, known: Sequence[tuple[str, tuple[str, ...]]], why: str, prefix: str
) -> list[str]:
    """Return the lines that a step needs for the remote, indented like its first line."""
    indent = " " * (len(first) - len(first.lstrip()) + 2)
    packages = " ".join(dict.fromkeys(plugin for plugin, _ in known))
    secrets = dict.fromkeys(name for _, names in known for name in names)
    more = [f"{indent}  extra-packages: {packages}"]
    if secrets:
        more += [f"{indent}env: # of the DVC remote: {why}"]
        more += [f"{indent}  {name}: ${{{{ secrets.{prefix}_{name} }}}}" for name in secrets]
    return more


def _step(lines: list[str], start: int) -> list[str]:
    """Return the lines of the step that starts at this index."""
    depth = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    return lines[start:end]


def gitlab_include(action: str, watches: Collection[str] = (), *, promote: bool = True) -> str:
    """Return the text of .gitlab-ci.yml."""
    project, _, ref = action.partition("@")
    lines = [
        "# Two jobs: one runs the merge request's code without secrets, the other judges.",
        "# Set MLFLOW_TRACKING_URI and MLOPS_CI_GITLAB_TOKEN for the environment `mlops-ci` only.",
    ]
    schedules = [
        f"#   {cron:20} MLOPS_CI_RUN = {name}"
        for name, cron in _SCHEDULES.items()
        if name in watches or (name == "reconcile" and promote)
    ]
    if schedules:
        lines += [
            "# Under Build > Pipeline schedules, on the default branch, each with its variable",
            "# (Settings > CI/CD > Variables > Minimum role to use pipeline variables must allow it):",
            *schedules,
        ]
    lines += ["include:", f"  - component: $CI_SERVER_FQDN/{project}/gitlab@{ref}"]
    inputs = ["      promote: true # after a merge"] if promote else []
    inputs += [f"      {name}: {value}" for watch, (name, value) in _INPUTS.items() if watch in watches]
    return "\n".join([*lines, *(["    inputs:"] if inputs else []), *inputs]) + "\n"
