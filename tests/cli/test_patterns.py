"""Which settings files `--config` means."""

from pathlib import Path

import pytest
from guarded_repo import GuardedRepo

from mlops_ci.cli.patterns import glob_matches, within
from mlops_ci.errors import UsageError


@pytest.mark.parametrize(
    ("name", "pattern", "meant"),
    [
        ("mlops-ci.yaml", "mlops-ci.yaml", True),
        ("examples/x/mlops-ci.yaml", "mlops-ci.yaml", False),
        ("models/a/mlops-ci.yaml", "models/*/mlops-ci.yaml", True),
        ("old/models/a/mlops-ci.yaml", "models/*/mlops-ci.yaml", False),
        ("models/a/b/mlops-ci.yaml", "models/*/mlops-ci.yaml", False),
        ("models/a/b/mlops-ci.yaml", "**/mlops-ci.yaml", True),
        ("mlops-ci.yaml", "**/mlops-ci.yaml", True),
    ],
)
def test_a_pattern_means_the_whole_path(name: str, pattern: str, meant: bool) -> None:
    assert glob_matches(name, pattern) is meant


def test_a_pattern_is_given_from_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert within(tmp_path, "a/*.yaml") == "sub/a/*.yaml"
    assert within(tmp_path, "../mlops-ci.yaml") == "mlops-ci.yaml"
    assert within(tmp_path, str(tmp_path / "mlops-ci.yaml")) == "mlops-ci.yaml"
    for outside in ("", "..", "../../x.yaml", "/etc/x.yaml"):
        with pytest.raises(UsageError, match="names no file in this repository"):
            within(tmp_path, outside)


def test_settings_of_an_example_further_down_are_not_this_projects(guarded: GuardedRepo) -> None:
    other = (guarded.repo.root / "mlops-ci.yaml").read_text().replace("moons", "other")
    guarded.settle(**{"examples/x/mlops-ci.yaml": other})
    guarded.change(**{"README.md": "Another text.\n"})
    done = guarded.check("--dry-run")
    assert (done.code, done.json["model"]) == (0, "moons")
    inside = guarded.call(
        "check", "--dry-run", "--config", "../mlops-ci.yaml", folder=guarded.repo.root / "src"
    )
    assert inside.code == 0
