"""`data update` with real DVC and git: stored and proven before it is proposed, and nothing half done."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dvc_repo import DvcRepo, Recorder
from guarded_repo import GuardedRepo

from mlops_ci.adapters.branches import GitBranches
from mlops_ci.adapters.dvc.data import DvcData
from mlops_ci.errors import EvidenceError, ServiceError, UsageError

DATA = "data/raw.csv"


def fresher(repo: DvcRepo, shift: float = 0.5, n: int = 260) -> str:
    rows = [f"{i},{(i * 37 % 200) / 200 + shift},{i % 2}" for i in range(n)]
    (repo.root / DATA).unlink()
    repo.write(DATA, "\n".join(["id,x,y", *rows]) + "\n")
    return hashlib.md5((repo.root / DATA).read_bytes()).hexdigest()


def update(guarded: GuardedRepo, *options: str):
    return guarded.call("data", "update", DATA, "--format", "json", *options)


def branches(repo: DvcRepo) -> list[str]:
    return [
        line for line in repo.git("branch", "--format=%(refname:short)").splitlines() if "mlops-ci/" in line
    ]


def test_newer_data_are_stored_proven_and_on_a_branch(unguarded: GuardedRepo) -> None:
    repo = unguarded.repo
    before = (repo.root / f"{DATA}.dvc").read_text()
    checksum = fresher(repo)
    done = update(unguarded)
    assert done.code == 0, done.err
    report = done.json
    assert report["headline"] == "data/raw.csv: newer data proposed: 1 of 2 columns moved"
    assert [one["name"] for one in report["drift"]["columns"] if one["drifted"]] == ["x"]
    assert repo.stored(checksum).is_file()
    (branch,) = branches(repo)
    assert branch == report["details"]["branch"]
    assert checksum in repo.git("show", f"{branch}:{DATA}.dvc")
    assert repo.git("diff", "--name-only", "main", branch) == f"{DATA}.dvc"
    # The work tree is as it was, but for the data that the user put there.
    assert (repo.root / f"{DATA}.dvc").read_text() == before
    assert repo.git("status", "--porcelain") == ""
    again = update(unguarded)
    assert again.json["details"]["branch"] == branch
    assert len(branches(repo)) == 1


def test_without_arguments_the_settings_name_the_data_and_the_environment_counts(
    unguarded: GuardedRepo, tmp_path: Path
) -> None:
    text = (unguarded.repo.root / "mlops-ci.yaml").read_text() + "retrain: {data: data/raw.csv}\n"
    unguarded.settle(**{"other.yaml": text})
    reports = {"MLOPS_CI_CONFIG": "other.yaml", "MLOPS_CI_REPORT_DIR": str(tmp_path / "reports")}
    done = unguarded.call("data", env=reports)
    assert done.code == 0, done.err
    assert "data/raw.csv: the data did not change" in done.out
    assert list((tmp_path / "reports").glob("*.json"))


def test_of_several_models_the_one_that_the_retraining_is_about(unguarded: GuardedRepo) -> None:
    text = (unguarded.repo.root / "mlops-ci.yaml").read_text() + "retrain: {data: data/raw.csv}\n"
    other = text.replace("model: moons", "model: suns").replace("data: data/raw.csv", "data: data/suns.csv")
    unguarded.settle(**{"a.yaml": text, "b.yaml": other})
    files = {"MLOPS_CI_CONFIG": "[ab].yaml"}
    unclear = unguarded.call("data", env=files)
    assert unclear.code == 2
    assert "name one with --model: moons, suns" in unclear.err
    done = unguarded.call("data", env=files | {"MLOPS_CI_MODEL": "moons"})
    assert done.code == 0, done.err
    assert "data/raw.csv: the data did not change" in done.out
    assert unguarded.call("data", env=files | {"MLOPS_CI_MODEL": ""}).code == 2


def test_the_same_data_are_no_update(unguarded: GuardedRepo) -> None:
    done = update(unguarded)
    assert (done.code, done.json["headline"]) == (0, "data/raw.csv: the data did not change")
    assert branches(unguarded.repo) == []


def test_what_a_dead_run_left_in_the_work_tree_is_proposed_all_the_same(unguarded: GuardedRepo) -> None:
    repo = unguarded.repo
    fresher(repo)
    repo.dvc("add", "-q", DATA)  # killed here: the pointer is new, and there is no branch
    done = update(unguarded)
    assert (done.code, done.json["details"]["changed"]) == (0, True)
    (branch,) = branches(repo)
    assert repo.git("show", f"{branch}:{DATA}.dvc").strip() == (repo.root / f"{DATA}.dvc").read_text().strip()


def test_dry_run_shows_and_changes_nothing(unguarded: GuardedRepo) -> None:
    repo = unguarded.repo
    checksum = fresher(repo)
    done = update(unguarded, "--dry-run")
    assert [action["applied"] for action in done.json["actions"]] == [False, False]
    assert branches(repo) == []
    assert not repo.stored(checksum).exists()
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,y\n" + "\n".join(f"{i},1" for i in range(260)) + "\n", "x: the column is gone"),
        ("id,x,y\n" + "\n".join(f"{i},0.5,1" for i in range(20)) + "\n", "20 rows, and there were 200"),
        ("id,x,y\n" + "\n".join(f"{i},big,1" for i in range(260)) + "\n", "x: "),
        ("id,x,y\n", "has no row"),
    ],
)
def test_broken_data_are_refused_and_nothing_is_left(unguarded: GuardedRepo, text: str, said: str) -> None:
    repo = unguarded.repo
    (repo.root / DATA).unlink()
    repo.write(DATA, text)
    done = update(unguarded)
    assert done.code == 5
    assert said in done.json["summary"]
    assert branches(repo) == []
    assert repo.git("status", "--porcelain") == ""
    assert (repo.root / DATA).read_text() == text  # the user's file stays for a look


@pytest.mark.slow
def test_shrunk_data_are_taken_on_someone_s_word(unguarded: GuardedRepo) -> None:
    fresher(unguarded.repo, n=20)
    done = update(unguarded, "--anyway")
    assert done.code == 0
    assert "Taken all the same: 20 rows, and there were 200" in str(done.json["notices"])


def test_a_remote_that_is_down_leaves_no_branch(unguarded: GuardedRepo) -> None:
    repo = unguarded.repo
    shutil.rmtree(repo.remote)
    repo.remote.write_text("not a folder")
    fresher(repo)
    done = update(unguarded)
    assert done.code in (4, 5)
    assert branches(repo) == []
    assert repo.git("status", "--porcelain") == ""


def test_what_push_calls_up_to_date_is_proven(dvc_repo: DvcRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    # `dvc push` with nothing in the cache ends well; the remote does not have it.
    fresher(dvc_repo)
    dvc_repo.dvc("add", "-q", "--no-commit", DATA)
    versions = DvcData(dvc_repo.root, dvc_repo.root, Recorder())  # type: ignore[arg-type]
    with pytest.raises((EvidenceError, ServiceError), match=r"remote"):
        versions.push(DATA)


def test_an_output_of_a_stage_and_an_untracked_file_are_wrong_usage(dvc_repo: DvcRepo) -> None:
    versions = DvcData(dvc_repo.root, dvc_repo.root, Recorder())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="made by the stage"):
        versions.pointer("metrics.json")
    with pytest.raises(UsageError, match=r"dvc add notes\.csv"):
        versions.pointer("notes.csv")


@pytest.mark.slow
def test_an_import_is_fetched_anew_and_put_back_where_it_fails(
    unguarded: GuardedRepo, tmp_path: Path
) -> None:
    repo = unguarded.repo
    source = tmp_path / "export.csv"
    source.write_text("id,x,y\n" + "\n".join(f"{i},{i / 200},1" for i in range(200)) + "\n")
    repo.dvc("import-url", "-q", str(source), "data/export.csv")
    repo.dvc("push", "-q", "data/export.csv.dvc")
    repo.commit("Import")
    repo.push()
    repo.git("fetch", "-q", "origin")
    old = (repo.root / "data/export.csv").read_text()
    source.write_text("id,x\n" + "\n".join(f"{i},{i / 200}" for i in range(200)) + "\n")
    done = unguarded.call("data", "update", "data/export.csv", "--format", "json")
    assert (done.code, "y: the column is gone" in done.json["summary"]) == (5, True)
    assert (repo.root / "data/export.csv").read_text() == old
    assert repo.git("status", "--porcelain") == ""
    source.write_text("id,x,y\n" + "\n".join(f"{i},{i / 100},1" for i in range(240)) + "\n")
    done = unguarded.call("data", "update", "data/export.csv.dvc", "--format", "json")
    assert done.code == 0, done.err
    assert len(branches(repo)) == 1


def test_a_branch_is_pushed_without_the_work_tree_and_taken_back(dvc_repo: DvcRepo) -> None:
    origin = dvc_repo.root.parent / "origin.git"
    pushing = GitBranches(dvc_repo.root, url=str(origin))
    dvc_repo.write("notes.md", "not committed\n")
    dvc_repo.git("add", "notes.md")
    commit = pushing.commit(dvc_repo.git("rev-parse", "HEAD"), {"data/new.dvc": b"x"}, "Update")
    assert pushing.publish("mlops-ci/data-1", commit) is True
    # The next run finds its own commit there: no new one for the pull request's reviewers.
    again = pushing.commit(dvc_repo.git("rev-parse", "HEAD"), {"data/new.dvc": b"x"}, "Update")
    assert (again, pushing.publish("mlops-ci/data-1", again)) == (commit, False)
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "mlops-ci/data-1"],
        cwd=origin,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "data/new.dvc" in listed
    assert "notes.md" not in listed
    assert dvc_repo.git("status", "--porcelain") == "A  notes.md"
    pushing.drop("mlops-ci/data-1")
    assert (
        "mlops-ci"
        not in subprocess.run(
            ["git", "branch"], cwd=origin, capture_output=True, text=True, check=True
        ).stdout
    )


@pytest.mark.slow
def test_a_pull_request_that_is_refused_takes_the_branch_back(unguarded: GuardedRepo) -> None:
    fresher(unguarded.repo)
    script = (
        "import mlops_ci.adapters.forges.terminal as t\n"
        "from mlops_ci.errors import ServiceError\n"
        "def no(*_):\n    raise ServiceError('GitHub', 'says no')\n"
        "t.TerminalForge.propose = no\n"
        "import sys; sys.argv = ['mlops-ci', 'data', 'update', 'data/raw.csv', '--format', 'json']\n"
        "from mlops_ci.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=unguarded.repo.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "says no" in json.loads(done.stdout)["summary"]
    assert branches(unguarded.repo) == []
    # The branch of an earlier run stays: with it, its pull request would be closed.
    assert update(unguarded).code == 0
    there = branches(unguarded.repo)
    again = subprocess.run(
        [sys.executable, "-c", script], cwd=unguarded.repo.root, capture_output=True, text=True, check=False
    )
    assert (again.returncode, branches(unguarded.repo)) == (4, there)
    assert unguarded.repo.git("status", "--porcelain") == ""
