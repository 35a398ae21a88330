"""What `init` proposes to watch production with: workflows, their settings, and what it says is left to do."""

from pathlib import Path

import pytest
import yaml

from mlops_ci.core.onboarding.columns import Meaning
from mlops_ci.core.onboarding.facts import Facts, ProjectFact, StageFact
from mlops_ci.core.onboarding.production import WATCHES, production_rows, to_do, training_data
from mlops_ci.core.onboarding.workflow_rules import check_workflow
from mlops_ci.core.onboarding.workflows import Values, filled, gitlab_include, without_retraining
from mlops_ci.core.table_files import TABLE_SUFFIXES

TEMPLATES = Path(__file__).parents[2] / "templates" / "workflows" / "github"
ACTION = "acme/mlops-ci@" + "a" * 40
PARTS = {"id": "row", "target": "truth", "prediction": "answer"}


def template(name: str, *schemes: str) -> str:
    return filled((TEMPLATES / f"{name}.yml").read_text(), Values(action=ACTION, schemes=schemes))


@pytest.mark.parametrize("name", WATCHES)
def test_what_init_writes_has_no_pitfall(name: str) -> None:
    found = check_workflow("w.yml", yaml.safe_load(template(name, "s3")))
    assert [(check.state, check.message) for check in found] == [
        ("ok", "runs mlops-ci, and has none of the known pitfalls")
    ]


def steps(text: str) -> list[dict[str, object]]:
    (job,) = yaml.safe_load(text)["jobs"].values()
    return [step for step in job["steps"] if step.get("uses") == ACTION]


def test_only_what_touches_the_remote_gets_its_plugin_and_a_credential_for_just_that() -> None:
    (pushing,) = steps(template("retrain", "s3"))
    assert pushing["with"]["extra-packages"] == "dvc-s3"  # type: ignore[index]
    assert pushing["env"]["AWS_ACCESS_KEY_ID"] == "${{ secrets.DVC_PUSH_AWS_ACCESS_KEY_ID }}"  # type: ignore[index]
    assert "dvc-s3" not in template("canary", "s3") + template("monitor", "s3") + template("promote", "s3")
    assert "dvc-s3" not in template("mlops-ci-gate", "s3")
    (checking,) = steps(template("mlops-ci-one-job", "s3"))
    assert checking["env"]["AWS_ACCESS_KEY_ID"] == "${{ secrets.DVC_AWS_ACCESS_KEY_ID }}"  # type: ignore[index]


def test_monitoring_alone_starts_no_training() -> None:
    whole, alone = template("monitor"), without_retraining(template("monitor"))
    assert [step["with"]["command"] for step in steps(whole)] == ["monitor", "retrain"]  # type: ignore[index]
    assert [step["with"]["command"] for step in steps(alone)] == ["monitor"]  # type: ignore[index]
    assert "reason" not in alone
    assert whole.startswith(alone.rstrip("\n"))


def pipeline(*stages: tuple[str, tuple[str, ...], tuple[str, ...]]) -> ProjectFact:
    return ProjectFact(
        stages=tuple(StageFact(address=name, deps=deps, outs=outs) for name, deps, outs in stages)
    )


@pytest.mark.parametrize(
    ("stages", "tracked", "expected"),
    [
        ([("train", ("train.py", "data.csv"), ("m.pkl",))], ("data.csv",), ("data.csv", "data.csv")),
        (
            [
                ("split", ("raw/all.csv",), ("data/test.csv", "data/train.csv")),
                ("train", ("data/test.csv", "data/train.csv"), ("m.pkl",)),
            ],
            ("raw/all.csv", "docs/scan.pdf"),
            ("data/train.csv", "raw/all.csv"),
        ),
        ([("train", ("images", "train.py"), ("m.pkl",))], ("images",), ("", "images")),
        ([("train", ("data.csv",), ("m.pkl",))], (), ("data.csv", "")),
        ([("evaluate", ("data.csv",), ("scores.csv",))], (), ("", "")),
    ],
)
def test_what_it_is_trained_on_is_read_from_the_pipeline(
    stages: list[tuple[str, tuple[str, ...], tuple[str, ...]]],
    tracked: tuple[str, ...],
    expected: tuple[str, str],
) -> None:
    project = pipeline(*stages)
    facts = Facts(name="shop", projects=(project,), tracked=tracked)
    assert training_data(facts, project, "m.pkl") == expected


def test_each_block_is_proposed_by_itself_and_each_line_has_its_reason() -> None:
    means = Meaning(parts=PARTS, task="binary")
    for name in WATCHES:
        rows = production_rows([name], means, trained_on="train.csv", newer="all.csv")
        assert all(why for text, why in rows if text.rstrip() != "drift:")
        read = yaml.safe_load("\n".join(text for text, _ in rows))
        assert set(read) == {name} | ({"drift"} if name == "monitor" else set())
    every = production_rows(WATCHES, means, folder="eu/")
    assert ("  data: data/production/eu/*.parquet", every[3][1]) == every[3]
    assert any("columns row, truth" in why for _, why in every)
    assert any("column: answer, label: truth" in text for text, _ in every)
    numbers = production_rows(["canary"], Meaning(parts=PARTS, task="numbers"))
    assert not any("false_positives" in text for text, _ in numbers)


def test_what_is_left_to_do_is_said_where_it_is() -> None:
    assert to_do([], newer=False, gitlab=False) == []
    said = "\n".join(to_do(WATCHES, newer=False, gitlab=False))
    assert [f"`{word}`" in said for word in ("monitor", "retrain", "canary", "retrain.data")] == [True] * 4
    assert "mlops-ci-monitor.yml" in said
    assert any("decided by the last step" in one for one in to_do(["retrain"], newer=True, gitlab=False))
    assert "decided by" not in said
    assert "MLOPS_CI_TOKEN" not in "\n".join(to_do(WATCHES, newer=True, gitlab=True))


def test_gitlab_is_told_the_schedules_and_the_commands_of_what_was_chosen() -> None:
    every = gitlab_include("acme/mlops-ci@1.2.0", WATCHES)
    (include,) = yaml.safe_load(every)["include"]
    assert include["inputs"] == {
        "promote": True,
        "production": "true",
        "outcomes": "true",
        "newer-data": "true",
    }
    assert [line.split()[-1] for line in every.splitlines() if "MLOPS_CI_RUN" in line] == [
        "reconcile",
        "monitor",
        "canary",
    ]
    bare = gitlab_include("acme/mlops-ci@1.2.0", promote=False)
    assert "MLOPS_CI_RUN" not in bare
    assert yaml.safe_load(bare)["include"] == [{"component": "$CI_SERVER_FQDN/acme/mlops-ci/gitlab@1.2.0"}]


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_training_data_is_found_in_every_format_that_is_read(suffix: str) -> None:
    table = f"data/train{suffix}"
    train = StageFact(address="train", deps=("src/train.py", table), outs=("model.pkl",))
    project = ProjectFact(stages=(train,))
    facts = Facts(name="shop", projects=(project,), tracked=(table,))
    assert training_data(facts, project, "model.pkl") == (table, table)
    assert training_data(facts, project, "other.pkl") == ("", table)
