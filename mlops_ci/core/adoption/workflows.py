"""The files that a forge runs: our templates, filled in for one repository."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLACEHOLDER = "OWNER/mlops-ci@REF"
_INSTALL = "python -m pip install -r requirements.txt"
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
    """What a repository puts into a workflow.

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


def _with_remote(text: str, values: Values) -> str:
    """Give the step that fetches data the plugin of its remote, and the read-only credential."""
    known = [PLUGINS[scheme] for scheme in values.schemes if scheme in PLUGINS]
    if not known:
        return text
    packages = " ".join(dict.fromkeys(plugin for plugin, _ in known))
    secrets = dict.fromkeys(name for _, names in known for name in names)

    lines = text.split("\n")
    steps = [i for i, line in enumerate(lines) if line.lstrip().startswith(f"- uses: {values.action}")]
    fetching = [i for i in steps if "command: reproduce" in "\n".join(_step(lines, i))]
    # In a single job, the one step fetches; promotion fetches nothing.
    if not fetching and "command:" not in text:
        fetching = steps
    for start in reversed(fetching):
        indent = " " * (len(lines[start]) - len(lines[start].lstrip()) + 2)
        more = [f"{indent}  extra-packages: {packages}"]
        if secrets:
            more += [f"{indent}env: # of the DVC remote: a read-only one, for a hostile stage might find it"]
            more += [f"{indent}  {name}: ${{{{ secrets.DVC_{name} }}}}" for name in secrets]
        end = start + len(_step(lines, start))
        lines[end:end] = more
    return "\n".join(lines)


def _step(lines: list[str], start: int) -> list[str]:
    """Return the lines of the step that starts here."""
    depth = len(lines[start]) - len(lines[start].lstrip())
    end = start + 1
    while end < len(lines) and lines[end].strip() and len(lines[end]) - len(lines[end].lstrip()) > depth:
        end += 1
    return lines[start:end]


def gitlab_include(action: str) -> str:
    """Return what a .gitlab-ci.yml needs."""
    project, _, ref = action.partition("@")
    return (
        "# Two jobs: one runs the merge request's code without secrets, the other judges.\n"
        "# Set MLFLOW_TRACKING_URI and MLOPS_CI_GITLAB_TOKEN for the environment `mlops-ci` only.\n"
        "include:\n"
        f"  - component: $CI_SERVER_FQDN/{project}/gitlab@{ref}\n"
    )
