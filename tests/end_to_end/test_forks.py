# ruff: noqa: F811 (fixtures of another module)
"""Pull requests of forks, end to end: run without tokens, judged by another workflow from a hostile artifact."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from act import Run
from test_main_job import Shop, shop  # noqa: F401 (a fixture)

from mlops_ci.cli.demo import CHANGES

pytestmark = pytest.mark.e2e

FORK = "eve/models"
Bend = Callable[[dict[str, bytes]], dict[str, bytes]]


def reproduced(shop: Shop, number: int, branch: str, edits: dict[str, tuple[str, str]], run_id: int) -> Run:
    """Open a fork's pull request, and run the workflow that has no token."""
    shop.demo.branch(branch, edits, f"Try {branch}")
    shop.hub.open_pull(number, branch, author="eve", fork=FORK)
    return shop.hub.run(
        ".github/workflows/mlops-ci-forks.yml",
        number=number,
        actions={"OWNER/mlops-ci@REF": shop.action},
        python=shop.python,
        run_id=run_id,
        keep_artifacts=True,
        timeout=900,
    )


def judged(shop: Shop, number: int, run_id: int, *, mlflow: bool = True) -> Run:
    """Run the workflow that follows, as GitHub starts it: on the default branch, with the tokens."""
    return shop.hub.run(
        ".github/workflows/mlops-ci-gate.yml",
        event="workflow_run",
        payload=shop.hub.finished(number, run_id),
        actions={"OWNER/mlops-ci@REF": shop.action},
        variables={"MLFLOW_TRACKING_URI": shop.server.uri} if mlflow else {},
        timeout=900,
    )


def states(shop: Shop, number: int) -> list[tuple[str, str]]:
    head = shop.hub.github.pulls[number].head
    return [(one["context"], one["state"]) for one in shop.hub.github.statuses if one["sha"] == head]


def test_a_worse_model_of_a_fork_is_blocked_by_a_status_of_its_head(shop: Shop) -> None:
    worse, _, _ = CHANGES["worse"]
    first = reproduced(shop, 20, "patch-worse", worse, 9020)
    assert first.exit_code == 0, first.log
    assert shop.hub.github.comments == {}  # nothing was said without a token
    second = judged(shop, 20, 9020)
    gate = second.step("gate", "mlops-ci")

    assert (second.jobs, gate.outputs["verdict"]) == ({"gate": "failure"}, "fail"), second.log
    assert states(shop, 20) == [("mlops-ci/main", "pending"), ("mlops-ci/main", "failure")]
    assert "accuracy falls from" in shop.comment(20)
    assert f"head={shop.hub.github.pulls[20].head}" in shop.comment(20)
    assert "Running stage" not in second.log


def test_an_equal_model_of_a_fork_passes_and_only_then(shop: Shop) -> None:
    equal, _, _ = CHANGES["equal"]
    assert reproduced(shop, 21, "patch-equal", equal, 9021).exit_code == 0
    passed = judged(shop, 21, 9021)
    assert passed.exit_code == 0, passed.log
    assert states(shop, 21)[-1] == ("mlops-ci/main", "success")

    # The same artifact does not serve another head, nor one that was tampered with, nor none at all.
    worse, _, _ = CHANGES["worse"]
    shop.demo.branch("patch-other", worse, "Another")
    shop.hub.open_pull(22, "patch-other", author="eve", fork=FORK)
    swapped = judged(shop, 22, 9021)
    assert swapped.step("gate", "mlops-ci").outputs["exit-code"] == "5", swapped.log
    assert "the evidence is of commit" in shop.comment(22)
    assert states(shop, 22)[-1] == ("mlops-ci/main", "error")

    missing = judged(shop, 21, 9999)
    assert missing.jobs == {"gate": "failure"}
    assert states(shop, 21)[-1] == ("mlops-ci/main", "error")
    assert "no evidence" in shop.comment(21)

    _, name, data = next(one for one in shop.hub.github.artifacts if one[0] == 9021)
    shop.hub.github.artifacts.append((9100, name, _bent(data, _claim_the_champion)))
    forged = judged(shop, 21, 9100)
    assert forged.jobs == {"gate": "failure"}, forged.log
    assert states(shop, 21)[-1] == ("mlops-ci/main", "error")

    # A path that climbs out of the artifact lands nowhere; what is left is the evidence as it was.
    shop.hub.github.artifacts.append((9101, name, _bent(data, _climb_out)))
    judged(shop, 21, 9101)
    assert not (Path("/tmp") / "mlops-ci-escaped").exists()


def test_a_run_without_variables_does_not_take_an_empty_registry_for_no_champion(shop: Shop) -> None:
    worse, _, _ = CHANGES["worse"]
    assert reproduced(shop, 23, "patch-blind", worse, 9023).exit_code == 0
    blind = judged(shop, 23, 9023, mlflow=False)
    assert blind.step("gate", "mlops-ci").outputs["exit-code"] == "2", blind.log
    assert "no MLflow server is named" in shop.comment(23)
    assert states(shop, 23)[-1] == ("mlops-ci/main", "error")


def _bent(data: bytes, bend: Bend) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in bend(files).items():
            archive.writestr(name, content)
    return out.getvalue()


def _claim_the_champion(files: dict[str, bytes]) -> dict[str, bytes]:
    name = next(one for one in files if one.endswith("manifest.json"))
    return files | {name: json.dumps(json.loads(files[name]) | {"model_digest": "0" * 64}).encode()}


def _climb_out(files: dict[str, bytes]) -> dict[str, bytes]:
    return files | {"../../../../../../../../tmp/mlops-ci-escaped": b"x"}
