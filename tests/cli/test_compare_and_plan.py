"""`mlops-ci compare` and `plan` on real files, and the same through the Python API."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import mlops_ci
from mlops_ci.cli.main import cli
from mlops_ci.errors import MlopsCiError, PredictionsError, SettingsError, UsageError


def frames(loss=0.06, n=3000):
    rng = np.random.default_rng(0)
    target = rng.choice(["good", "bad"], n)
    other = np.where(target == "good", "bad", "good")
    champion = np.where(rng.random(n) < 0.06, other, target)
    worse = np.where((rng.random(n) < loss) & (champion == target), other, champion)
    common = {"id": [f"r{i}" for i in range(n)], "y_true": target, "place": rng.choice(["a", "b"], n)}
    return pd.DataFrame({**common, "y_pred": champion}), pd.DataFrame({**common, "y_pred": worse})


@pytest.fixture
def files(tmp_path):
    old, new = frames()
    old.to_csv(tmp_path / "old.csv", index=False)
    # Another format and another order of the rows: neither matters.
    new.sample(frac=1, random_state=1).to_parquet(tmp_path / "new.parquet", index=False)
    return str(tmp_path / "old.csv"), str(tmp_path / "new.parquet")


def run(*arguments):
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    if result.exception:
        raise result.exception
    return result


def test_two_files_one_verdict(files):
    result = run("compare", *files, "--metric", "accuracy=0.01", "--format", "json", "--slice", "place")
    assert result.return_value == 1
    report = json.loads(result.stdout)
    assert (report["command"], report["verdict"], report["exit_code"]) == ("compare", "fail", 1)
    first = report["findings"][0]
    assert (first["metric"], first["outcome"], first["n"], first["margin"]) == (
        "accuracy",
        "worse",
        3000,
        0.01,
    )
    assert first["interval"][0] < first["difference"] < first["interval"][1] < -0.01
    assert {f["slice"] for f in report["findings"] if f["gated"]} == {None, "place=a", "place=b"}


def test_the_rules_of_a_settings_file(files, tmp_path):
    settings = tmp_path / "mlops-ci.yaml"
    settings.write_text(
        "registry: {model: m}\nmetrics: {recall: {margin: 0.5, positive: bad}}\ngate: {alpha: 0.01}\n"
    )
    result = run("compare", *files, "--config", str(settings), "--format", "json")
    report = json.loads(result.stdout)
    assert (report["verdict"], report["alpha"]) == ("pass", 0.01)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "which metrics to compare was not said"),
        (["--metric", "accuracy"], "says no margin"),
        (["--metric", "accuracy=lots"], "is not a number"),
        (["--metric", "acuracy=0.01"], "did you mean 'accuracy'"),
        (["--metric", "accuracy=0.01", "--prediction", "guess"], "guess"),
    ],
)
def test_wrong_usage_is_one_clear_error(files, arguments, said):
    with pytest.raises(MlopsCiError, match=said):
        run("compare", *files, *arguments)


def test_the_api_says_the_same(files):
    policy = {"metrics": {"accuracy": {"margin": 0.01}, "f1": {"margin": "3%", "positive": "bad"}}}
    by_path = mlops_ci.compare(*files, policy)
    by_frame = mlops_ci.compare(*frames(), policy)
    by_policy = mlops_ci.compare(*frames(), mlops_ci.Policy.from_mapping(policy))
    assert by_path == by_frame == by_policy
    assert by_path.verdict == "fail"
    assert [finding.outcome for finding in by_path.findings] == ["worse", "worse"]


def test_the_api_takes_other_names_of_columns():
    renamed = [
        side.rename(columns={"y_true": "label", "y_pred": "guess", "id": "key"}) for side in frames(loss=0.0)
    ]
    verdict = mlops_ci.compare(
        *renamed, {"metrics": {"accuracy": {"margin": 0.01}}}, id="key", target="label", prediction="guess"
    )
    assert verdict.findings[0].outcome == "unchanged"


def test_the_api_refuses_clearly():
    policy = {"metrics": {"accuracy": {"margin": 0.01}}}
    old, new = frames()
    with pytest.raises(PredictionsError, match="the candidate's frame has no column 'id'"):
        mlops_ci.compare(old, new.drop(columns="id"), policy)
    with pytest.raises(PredictionsError, match="occurs more than once"):
        mlops_ci.compare(old, pd.concat([new, new.head(1)]), policy)
    with pytest.raises(UsageError, match="no option 'traget'"):
        mlops_ci.compare(old, new, policy, traget="y")
    with pytest.raises(SettingsError, match=r"accuracy\.margin"):
        mlops_ci.compare(old, new, {"metrics": {"accuracy": {"margin": -1}}})


def test_the_api_imports_the_users_own_metric():
    policy = {
        "metrics": {
            "mine": {
                "metric": "sklearn.metrics:zero_one_loss",
                "greater_is_better": False,
                "margin": 0.01,
            }
        }
    }
    finding = mlops_ci.compare(*frames(n=600), policy).findings[0]
    assert finding.outcome == "worse"
    assert finding.method == "block jackknife t and bootstrap"


def test_nothing_heavy_is_imported_for_the_version():
    import subprocess
    import sys

    code = (
        "import sys, mlops_ci; mlops_ci.__version__; print('pandas' in sys.modules, 'scipy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_plan_says_how_many_rows():
    result = run("plan", "--margin", "0.01", "--disagreement", "0.06", "--format", "json")
    report = json.loads(result.stdout)
    assert report["details"]["rows"] == 3710
    assert report["verdict"] is None
    with pytest.raises(UsageError, match="power must lie between"):
        run("plan", "--margin", "0.01", "--disagreement", "0.06", "--power", "1")
