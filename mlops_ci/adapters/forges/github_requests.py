"""Starting workflows, opening pull requests and setting commit statuses on GitHub."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from mlops_ci.adapters.http import Client
from mlops_ci.core.report import Source
from mlops_ci.errors import UncertainError

DESCRIPTION_LIMIT = 140


def dispatch(
    client: Client, repository: str, event: str, values: Mapping[str, str], branch: str | None
) -> str:
    """Start a workflow by its file name on a branch, or send a repository_dispatch event.

    GitHub answers neither with the run that it starts. An answer that was lost is not sent again: twice
    would be worse than a trigger that someone has to repeat.
    """
    if event.endswith((".yml", ".yaml")):
        path = f"/repos/{repository}/actions/workflows/{quote(event, safe='')}/dispatches"
        client.send("POST", path, {"ref": branch or "main", "inputs": dict(values)})
        return f"workflow_dispatch of {event}"
    # GitHub takes at most ten properties.
    client.send(
        "POST", f"/repos/{repository}/dispatches", {"event_type": event, "client_payload": dict(values)}
    )
    return f"repository_dispatch '{event}'"


def propose(client: Client, repository: str, branch: str, target: str, said: tuple[str, str]) -> str:
    """Open a pull request from a branch of the repository, or bring the open one up to date.

    Parameters
    ----------
    said
        Title and body.
    """
    title, body = said
    owner = repository.split("/", 1)[0]

    def there() -> str | None:
        for pull in client.pages(f"/repos/{repository}/pulls", state="open", head=f"{owner}:{branch}"):
            if pull["head"]["ref"] == branch:
                # A pull request is an issue too, as far as its title and body go.
                client.send(
                    "PATCH", f"/repos/{repository}/issues/{pull['number']}", {"title": title, "body": body}
                )
                return str(pull["html_url"])
        return None

    found = there()
    if found is None:
        request = {"title": title, "body": body, "head": branch, "base": target}
        try:
            found = str(client.send("POST", f"/repos/{repository}/pulls", request)["html_url"])
        except UncertainError:
            found = there()
            if found is None:
                raise
    return found


def set_status(client: Client, repository: str, source: Source, context: str, said: tuple[str, str]) -> None:
    """Set a commit's status; the latest of a context wins, so sending one twice does no harm.

    Parameters
    ----------
    said
        State and description; a long description is cut.
    """
    state, text = said[0], " ".join(said[1].split())
    body = {
        "state": state,
        "context": context,
        "description": text if len(text) <= DESCRIPTION_LIMIT else text[: DESCRIPTION_LIMIT - 1] + "…",
        **({"target_url": source.run_url} if source.run_url else {}),
    }
    client.send("POST", f"/repos/{repository}/statuses/{source.head}", body, repeatable=True)
