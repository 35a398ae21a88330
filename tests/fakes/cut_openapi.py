"""Cut the slice of GitHub's OpenAPI description that the fake checks itself against.

The description is GitHub's own (https://github.com/github/rest-api-description, MIT licence,
Copyright GitHub), as npm ships it in `@octokit/openapi`. Run this again to follow a new version::

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python tests/fakes/cut_openapi.py package

It keeps the paths below and what they refer to, drops prose and examples, and mends two habits of
the description that would let mistakes pass: it accepts unknown fields in request bodies, and it
leaves null out of the values of nullable enumerations.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPO = "/repos/{owner}/{repo}"
PATHS = {
    "/user": ["get"],
    "/repos/{owner}/{repo}": ["get"],
    f"{REPO}/issues": ["get", "post"],
    f"{REPO}/issues/{{issue_number}}": ["get", "patch"],
    f"{REPO}/issues/{{issue_number}}/comments": ["get", "post"],
    f"{REPO}/issues/comments/{{comment_id}}": ["get", "patch", "delete"],
    f"{REPO}/pulls": ["get", "post"],
    f"{REPO}/pulls/{{pull_number}}": ["get"],
    f"{REPO}/commits/{{ref}}": ["get"],
    f"{REPO}/commits/{{commit_sha}}/pulls": ["get"],
    f"{REPO}/collaborators/{{username}}/permission": ["get"],
    f"{REPO}/statuses/{{sha}}": ["post"],
    f"{REPO}/branches/{{branch}}": ["get"],
    f"{REPO}/dispatches": ["post"],
    f"{REPO}/actions/runs/{{run_id}}/artifacts": ["get"],
    f"{REPO}/actions/artifacts/{{artifact_id}}/{{archive_format}}": ["get"],
    f"{REPO}/actions/workflows/{{workflow_id}}/dispatches": ["post"],
}
PROSE = {"description", "example", "examples", "externalDocs", "summary", "tags", "x-github"}


def without_prose(value: Any, *, names: bool = False) -> Any:
    """Drop prose; `names` is true inside mappings whose keys are names of the API, not keywords."""
    if isinstance(value, list):
        return [without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without_prose(item, names=key in {"properties", "headers", "schemas"} and not names)
        for key, item in value.items()
        if names or (key not in PROSE and not key.startswith("x-"))
    }


def references(value: Any) -> set[str]:
    """Return all `$ref` inside a value."""
    if isinstance(value, list):
        return set().union(*map(references, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return found.union(*map(references, value.values()))


def allow_null(value: Any) -> None:
    """Add null to the values of every nullable enumeration."""
    if isinstance(value, list):
        for item in value:
            allow_null(item)
    elif isinstance(value, dict):
        if value.get("nullable") is True and "enum" in value and None not in value["enum"]:
            value["enum"] = [*value["enum"], None]
        for item in value.values():
            allow_null(item)


def close(schema: Any) -> None:
    """Refuse fields that a request body does not describe."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for item in schema.get("properties", {}).values():
            close(item)
        for key in ("oneOf", "anyOf", "allOf"):
            for item in schema.get(key, []):
                close(item)
        close(schema.get("items"))


def cut(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the slice: the paths above, closed over their references."""
    paths: dict[str, Any] = {}
    for path, methods in PATHS.items():
        item = whole["paths"][path]
        paths[path] = {key: item[key] for key in (*methods, "parameters") if key in item}
        for method in methods:
            content = paths[path][method].get("requestBody", {}).get("content", {})
            for media in content.values():
                close(media.get("schema"))
    components: dict[str, dict[str, Any]] = {}
    paths = without_prose(paths)
    waiting, seen = references(paths), set[str]()
    while waiting:
        reference = waiting.pop()
        seen.add(reference)
        _, _, kind, name = reference.split("/")
        component = without_prose(whole["components"][kind][name])
        components.setdefault(kind, {})[name] = component
        waiting |= references(component) - seen
    return {"openapi": whole["openapi"], "paths": paths, "components": components}


def main(package: Path) -> None:
    """Write the slice beside this script."""
    version = json.loads((package / "package.json").read_text())["version"]
    whole = json.loads((package / "generated" / "api.github.com.json").read_text())
    part = cut(whole)
    allow_null(part)
    part["info"] = {
        "title": "A slice of GitHub's REST API",
        "version": whole["info"]["version"],
        "license": {"name": "MIT", "url": "https://spdx.org/licenses/MIT"},
        "description": f"Cut by cut_openapi.py from npm @octokit/openapi {version}. Copyright GitHub, MIT.",
    }
    part["servers"] = [{"url": "/"}]
    target = HERE / "github_openapi.json"
    target.write_text(json.dumps(part, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n")
    print(f"{target.name}: {len(part['paths'])} paths, {target.stat().st_size / 1024:.0f} KiB")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
