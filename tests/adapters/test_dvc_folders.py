"""Stages that read single files of a folder which DVC tracks as a whole: new data behind an old dvc.lock."""

import shutil
from pathlib import Path

import pytest
from dvc_repo import DvcRepo, copy_dvc_repo

from mlops_ci.core.lineage import pipeline_version
from mlops_ci.errors import PipelineError

NEEDED = ["models", "reports/predictions.csv", "metrics.json"]


@pytest.fixture(scope="module")
def folder_template(dvc_template: DvcRepo, tmp_path_factory: pytest.TempPathFactory) -> DvcRepo:
    """The raw data in a folder that `dvc add` tracks; all is pushed. Made once, since DVC takes its time."""
    dvc_repo = copy_dvc_repo(dvc_template, tmp_path_factory.mktemp("folders") / "dvc")
    raw = (dvc_repo.root / "data/raw.csv").read_text()
    for name in ("raw.csv.dvc", "raw.csv", ".gitignore"):
        (dvc_repo.root / "data" / name).unlink()
    dvc_repo.write("raw/raw.csv", raw)
    dvc_repo.write("raw/other.csv", "a\n1\n")
    dvc_repo.write("data/keep", "")
    for path in ("dvc.yaml", "src/prepare.py"):
        dvc_repo.edit(path, "data/raw.csv", "raw/raw.csv")
    dvc_repo.edit("dvc.yaml", "deps: [data/prepared, models", "deps: [data/prepared/test.csv, models")
    dvc_repo.dvc("add", "-q", "raw")
    return pushed(dvc_repo, lock=True)


@pytest.fixture
def folder_repo(tmp_path: Path, folder_template: DvcRepo) -> DvcRepo:
    return copy_dvc_repo(folder_template, tmp_path / "dvc")


def pushed(repo: DvcRepo, *, lock: bool = False) -> DvcRepo:
    if lock:
        repo.dvc("repro", "-q")
    repo.dvc("push", "-q")
    repo.commit()
    repo.push()
    return repo


def new_data(repo: DvcRepo) -> DvcRepo:
    """Turn labels round, and push data and pointer, but no dvc.lock."""
    repo.write("raw/raw.csv", (repo.root / "raw/raw.csv").read_text().replace(",1\n", ",0\n"))
    repo.dvc("add", "-q", "raw")
    return pushed(repo)


def test_new_data_in_a_folder_make_what_reads_it_stale(folder_repo: DvcRepo) -> None:
    before = folder_repo.pipeline().describe(["evaluate"])
    clone = new_data(folder_repo).clone()
    with pytest.raises(PipelineError, match=r"prepare: raw/raw\.csv modified"):
        clone.pipeline().reproduce("verify", ["evaluate"], NEEDED)
    planned = clone.pipeline().describe(["evaluate"])
    run = clone.pipeline().reproduce("run", ["evaluate"], NEEDED)
    assert [stage.state for stage in run.stages] == ["ran", "ran", "ran"]
    assert (clone.root / "metrics.json").read_text() != (folder_repo.root / "metrics.json").read_text()
    # After the merge the candidate is found by what git alone knows.
    versions = [pipeline_version(one.stages, one.environment) for one in (before, planned, run)]
    assert versions[0] != versions[1] == versions[2]
    assert planned.lock_changed


def test_another_file_of_the_folder_leaves_what_reads_the_first_current(folder_repo: DvcRepo) -> None:
    folder_repo.write("raw/other.csv", "a\n2\n")
    folder_repo.dvc("add", "-q", "raw")
    clone = pushed(folder_repo).clone()
    assert not clone.pipeline().describe(["evaluate"]).lock_changed
    for mode in ("verify", "run"):
        run = clone.pipeline().reproduce(mode, ["evaluate"], NEEDED)
        assert {stage.state for stage in run.stages} <= {"skipped", "restored"}
    assert not (clone.root / "raw").exists()


def test_a_folder_of_which_nothing_is_known_is_not_taken_for_unchanged(folder_repo: DvcRepo) -> None:
    checksum = (folder_repo.root / "raw.dvc").read_text().split("md5: ")[1].split()[0]
    folder_repo.stored(checksum).unlink()
    with pytest.raises(PipelineError, match=r"prepare: raw/raw\.csv may have changed: the listing"):
        folder_repo.clone().pipeline().reproduce("verify", ["evaluate"], NEEDED)


def test_a_lock_merged_by_hand_is_seen_through_the_folder_between_two_stages(folder_repo: DvcRepo) -> None:
    text = (folder_repo.root / "dvc.lock").read_text()
    evaluate = text.index("  evaluate:")
    test_md5 = text[evaluate:].split("path: data/prepared/test.csv")[1].split("md5: ")[1].split()[0]
    clone = folder_repo.clone()
    clone.edit("dvc.lock", test_md5, test_md5[::-1])
    shutil.rmtree(clone.root / "data", ignore_errors=True)
    with pytest.raises(PipelineError, match=r"evaluate: data/prepared/test\.csv modified"):
        clone.pipeline().reproduce("verify", ["evaluate"], NEEDED)


def test_a_folder_that_git_has_in_part_is_completed_before_it_is_compared(dvc_repo: DvcRepo) -> None:
    dvc_repo.edit("dvc.yaml", "deps: [data/raw.csv,", "deps: [data,")
    for path in ("dvc.yaml", *(f"src/{name}.py" for name in ("prepare", "train", "evaluate"))):
        dvc_repo.write(path, (dvc_repo.root / path).read_text().replace("data/prepared", "prepared"))
    shutil.rmtree(dvc_repo.root / "data/prepared")
    dvc_repo.write("data/.gitignore", "/raw.csv\n")
    clone = pushed(dvc_repo, lock=True).clone()
    run = clone.pipeline().reproduce("verify", ["evaluate"], NEEDED)
    assert {stage.state for stage in run.stages} == {"skipped", "restored"}
