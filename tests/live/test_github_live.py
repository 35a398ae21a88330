"""What a real GitHub did with a fork's pull request; see README.md. Skipped without a repository and a token."""

from __future__ import annotations

import os
from typing import Any

import pytest

REPOSITORY, TOKEN = os.environ.get("MLOPS_CI_LIVE_REPOSITORY", ""), os.environ.get("MLOPS_CI_LIVE_TOKEN", "")
PULL = int(os.environ.get("MLOPS_CI_LIVE_FORK_PULL", "1"))
pytestmark = pytest.mark.skipif(
    not (REPOSITORY and TOKEN), reason="needs MLOPS_CI_LIVE_REPOSITORY and _TOKEN"
)


@pytest.fixture(autouse=True)
def _no_network() -> None:
    """Let these tests, and these alone, reach the network."""


@pytest.fixture
def api() -> Any:
    """Return a reader of GitHub's API in the repository."""
    import requests

    root = os.environ.get("GITHUB_API_URL", "https://api.github.com")

    def get(path: str, **parameters: Any) -> Any:
        headers = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/vnd.github+json"}
        answer = requests.get(
            f"{root}/repos/{REPOSITORY}{path}", headers=headers, params=parameters, timeout=30
        )
        answer.raise_for_status()
        return answer.json()

    return get


@pytest.fixture
def pull(api: Any) -> Any:
    found = api(f"/pulls/{PULL}")
    assert found["head"]["repo"]["full_name"] != REPOSITORY, "the pull request must come from a fork"
    return found


def runs(api: Any, name: str, **parameters: Any) -> list[Any]:
    return [run for run in api("/actions/runs", **parameters)["workflow_runs"] if run["name"] == name]


def log_of(run: Any) -> str:
    import io
    import zipfile

    import requests

    answer = requests.get(run["logs_url"], headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    answer.raise_for_status()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_a_forks_run_has_a_read_only_token_and_no_secret(api: Any, pull: Any) -> None:
    (run, *_) = runs(api, "mlops-ci-reproduce", head_sha=pull["head"]["sha"])
    text = log_of(run)
    granted = text.split("GITHUB_TOKEN Permissions", 1)[1].split("##[endgroup]", 1)[0]
    assert "write" not in granted


def test_workflow_run_names_no_pull_request_of_a_fork(api: Any, pull: Any) -> None:
    (run, *_) = runs(api, "mlops-ci-reproduce", head_sha=pull["head"]["sha"])
    assert run["pull_requests"] == []
    assert run["head_repository"]["full_name"] == pull["head"]["repo"]["full_name"]


def test_the_second_workflow_is_the_default_branchs_and_shows_no_check(api: Any, pull: Any) -> None:
    (run, *_) = runs(api, "mlops-ci-gate", event="workflow_run")
    assert run["head_branch"] == api("")["default_branch"]
    checks = api(f"/commits/{pull['head']['sha']}/check-runs")["check_runs"]
    assert "gate" not in {check["name"] for check in checks}


def test_the_status_is_on_the_forks_head(api: Any, pull: Any) -> None:
    statuses = api(f"/commits/{pull['head']['sha']}/statuses")
    context = f"mlops-ci/{pull['base']['ref']}"
    newest = next(status for status in statuses if status["context"] == context)
    assert newest["state"] in {"success", "failure", "error"}
    assert newest["creator"]["login"] == "github-actions[bot]"


def test_the_ruleset_asks_for_the_status(api: Any, pull: Any) -> None:
    rules = api(f"/rules/branches/{pull['base']['ref']}")
    required = [rule for rule in rules if rule["type"] == "required_status_checks"]
    contexts = {one["context"] for rule in required for one in rule["parameters"]["required_status_checks"]}
    assert f"mlops-ci/{pull['base']['ref']}" in contexts


def test_a_merge_is_blocked_while_the_status_is_not_a_success(api: Any, pull: Any) -> None:
    combined = {
        one["context"]: one["state"] for one in api(f"/commits/{pull['head']['sha']}/status")["statuses"]
    }
    if combined.get(f"mlops-ci/{pull['base']['ref']}") != "success":
        assert pull["mergeable_state"] == "blocked"


def test_a_merge_queue_starts_both_workflows(api: Any) -> None:
    queued = runs(api, "mlops-ci-reproduce", event="merge_group")
    if not queued:
        pytest.skip("nothing went through the merge queue yet")
    statuses = api(f"/commits/{queued[0]['head_sha']}/statuses")
    assert any(one["context"].startswith("mlops-ci/") for one in statuses)


def test_an_environment_holds_promotion_for_review(api: Any) -> None:
    found = {one["name"]: one for one in api("/environments")["environments"]}
    if "production" not in found:
        pytest.skip("no environment `production`")
    assert "required_reviewers" in {rule["type"] for rule in found["production"]["protection_rules"]}


def test_caches_of_a_pull_request_stay_in_its_scope(api: Any, pull: Any) -> None:
    caches = api("/actions/caches", ref=f"refs/pull/{pull['number']}/merge")["actions_caches"]
    assert all(one["ref"] == f"refs/pull/{pull['number']}/merge" for one in caches)


def test_the_release_can_ask_for_an_identity(api: Any) -> None:
    """OIDC: the subject that a trusted publisher checks."""
    claim = api("/actions/oidc/customization/sub")
    assert claim["use_default"] is True
