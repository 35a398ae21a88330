"""Which changes touch the gate itself."""

from dataclasses import replace

import pytest

from mlops_ci.core.lineage import DataFile, Stage
from mlops_ci.core.tamper import Guarded, changed_gate_files

CODE = [
    DataFile(path="src/evaluate.py", checksum="1", kind="code"),
    DataFile(path="src/metrics", checksum="2.dir", kind="code"),
]
TRAIN = Stage(
    name="train",
    command="python src/train.py",
    deps=[
        DataFile(path="src/train.py", checksum="3", kind="code"),
        DataFile(path="data/raw.csv", checksum="4"),
    ],
    outs={"models": "5.dir"},
)
EVALUATE = Stage(
    name="evaluate",
    command="python src/evaluate.py",
    deps=CODE,
    inputs=["models", "data/test.csv"],
    outs={"reports": "6.dir", "metrics.json": "7"},
)
STAGES = [TRAIN, EVALUATE]
GUARDED = Guarded(
    evidence=["reports/predictions.csv"],
    holdout="data/holdout/rows.csv",
    score_command="python tools/score.py",
)


def paths(
    *changed: str, guarded: Guarded = GUARDED, after: list[Stage] | None = None, **locks: str
) -> list[str]:
    found = changed_gate_files(
        guarded,
        changed,
        before=STAGES,
        after=STAGES if after is None else after,
        locks_before={"uv.lock": "a"},
        locks_after={"uv.lock": locks.get("lock", "a")},
    )
    assert all(one.path in one.text or f"'{one.path}'" in one.text for one in found)
    return [one.path for one in found]


def test_ordinary_changes_need_no_approval() -> None:
    assert paths("README.md", "src/train.py", "params.yaml", "dvc.lock", "dvc.yaml", "data/raw.csv.dvc") == []
    assert paths("docs/mlops-ci.yaml", "src/evaluate.py.bak", "src/metrics.py", "sub/.dvc/config") == []


@pytest.mark.parametrize(
    "path",
    [
        "mlops-ci.yaml",
        ".mlops-ci/templates/check.md",
        ".dvc/config",
        ".dvc/config.local",
        "tools/score.py",
        "data/holdout/rows.csv",
        "data/holdout/rows.csv.dvc",
        "data/holdout.dvc",
        "src/evaluate.py",
        "src/metrics/auc.py",
    ],
)
def test_a_change_to_what_the_gate_judges_by_is_named(path: str) -> None:
    assert paths("README.md", path) == [path]


def test_another_environment_is_named() -> None:
    assert paths(lock="b") == ["uv.lock"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"command": "python src/evaluate.py --easy"}, "is another: `python src/evaluate.py --easy`"),
        ({"name": "assess"}, "Stage 'assess' makes `reports/predictions.csv` now"),
        ({"inputs": ["models", "data/easy.csv"]}, "reads other inputs"),
        ({"deps": CODE[:1]}, "`src/metrics` is code of the evaluation stage"),
        ({"deps": [replace(CODE[0], checksum="9"), CODE[1]]}, "`src/evaluate.py` is code"),
        ({"outs": {"metrics.json": "7"}}, "No stage makes `reports/predictions.csv` any more"),
    ],
)
def test_another_evaluation_stage_is_named(changed: dict[str, object], said: str) -> None:
    found = changed_gate_files(
        GUARDED,
        [],
        before=STAGES,
        after=[TRAIN, replace(EVALUATE, **changed)],  # type: ignore[arg-type]
        locks_before={},
        locks_after={},
    )
    assert len(found) == 1
    assert said in found[0].text


def test_new_predictions_and_models_need_no_approval() -> None:
    assert (
        paths(after=[replace(TRAIN, outs={"models": "8.dir"}), replace(EVALUATE, outs={"reports": "9.dir"})])
        == []
    )


def test_a_first_pipeline_has_nothing_to_weaken() -> None:
    found = changed_gate_files(
        GUARDED, ["src/evaluate.py"], before=[], after=STAGES, locks_before={}, locks_after={}
    )
    assert found == []


def test_a_holdout_that_a_stage_makes() -> None:
    guarded = replace(GUARDED, holdout="./reports/")
    assert paths(guarded=guarded, after=[TRAIN, replace(EVALUATE, outs={"reports": "9.dir"})]) == ["reports"]


def test_a_project_in_a_folder_of_the_repository() -> None:
    guarded = replace(GUARDED, folder="ml/", config="ml/mlops-ci.yaml")
    found = changed_gate_files(
        guarded,
        ["mlops-ci.yaml", "ml/mlops-ci.yaml", "src/evaluate.py", "ml/src/evaluate.py", "ml/.dvc/config"],
        before=STAGES,
        after=STAGES,
        locks_before={},
        locks_after={},
    )
    assert [one.path for one in found] == ["ml/mlops-ci.yaml", "ml/.dvc/config", "ml/src/evaluate.py"]
