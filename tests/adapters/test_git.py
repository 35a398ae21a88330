"""The git repository: revisions, files, changes, and deafness to what a change could plant."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_ci.adapters.git import GitRepository
from mlops_ci.errors import UsageError

Git = Callable[..., str]


def git_in(folder: Path) -> Git:
    def git(*arguments: str) -> str:
        identity = (
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
            "-c",
            "protocol.file.allow=always",
        )
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
        command = ["git", *identity, *arguments]
        return subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    return git


def commit(git: Git, folder: Path, path: str, text: str) -> str:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git("add", "-A")
    git("commit", "-qm", path)
    return git("rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """`main` with two commits, pushed; `feature` one commit from the first."""
    folder = tmp_path / "work"
    folder.mkdir()
    git = git_in(folder)
    git("init", "-q", "-b", "main")
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "origin.git"))
    git("remote", "add", "origin", (tmp_path / "origin.git").as_uri())
    commit(git, folder, "mlops-ci.yaml", "alpha: 0.05\n")
    git("branch", "feature")
    commit(git, folder, "on-main.txt", "1")
    git("push", "-q", "origin", "main")
    git("checkout", "-q", "feature")
    commit(git, folder, "sub dir/é\n.txt", "2")
    return folder


def test_head_and_revisions(work: Path) -> None:
    git, repository = git_in(work), GitRepository(work / "sub dir")
    assert repository.root == work
    assert repository.head() == git("rev-parse", "feature")
    assert repository.resolve("main") == git("rev-parse", "main")
    assert repository.resolve("nowhere") is None
    assert repository.resolve("--all") is None
    assert repository.resolve("") is None


def test_the_target_is_the_remotes_branch_where_there_is_one(work: Path) -> None:
    git, repository = git_in(work), GitRepository(work)
    pushed = git("rev-parse", "main")
    git("checkout", "-q", "main")
    commit(git, work, "later.txt", "not pushed")
    assert repository.target_tip("main") == ("main", pushed)
    assert repository.target_tip(None) == ("main", pushed)
    assert repository.target_tip("feature") == ("feature", git("rev-parse", "feature"))
    assert repository.target_tip("release") is None
    git("update-ref", "-d", "refs/remotes/origin/main")
    assert repository.target_tip(None) == ("main", git("rev-parse", "main"))


def test_the_default_branch_may_have_another_name(work: Path) -> None:
    git = git_in(work)
    git("push", "-q", "origin", "feature:trunk")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/trunk")
    assert GitRepository(work).target_tip(None) == ("trunk", git("rev-parse", "feature"))


def test_files_are_read_from_a_revision(work: Path) -> None:
    repository = GitRepository(work)
    assert repository.read("main", "mlops-ci.yaml") == b"alpha: 0.05\n"
    assert repository.read("main", "./mlops-ci.yaml") == b"alpha: 0.05\n"
    assert repository.read("feature", "on-main.txt") is None
    assert repository.read("feature", "sub dir") is None
    assert repository.read("feature", "*.yaml") is None
    for outside in ("../x", "/etc/passwd"):
        with pytest.raises(UsageError, match="not a path"):
            repository.read("main", outside)
    with pytest.raises(UsageError, match="nowhere"):
        repository.read("nowhere", "x")


def test_a_link_in_the_tree_is_refused(work: Path) -> None:
    git = git_in(work)
    (work / "policy.yaml").symlink_to("/etc/passwd")
    git("add", "-A")
    git("commit", "-qm", "link")
    with pytest.raises(UsageError, match=r"policy\.yaml is a symbolic link"):
        GitRepository(work).read("HEAD", "policy.yaml")


def test_changed_paths_are_those_since_the_merge_base(work: Path) -> None:
    repository = GitRepository(work)
    assert repository.changed("main", "feature") == ["sub dir/é\n.txt"]
    assert repository.changed("feature", "main") == ["on-main.txt"]


def test_new_files_are_listed_and_ignored_ones_are_not(work: Path) -> None:
    (work / ".gitignore").write_text("*.log\n")
    for name in ("new.txt", "a.log"):
        (work / "sub dir" / name).touch()
    assert GitRepository(work).files() == [
        ".gitignore",
        "mlops-ci.yaml",
        "sub dir/new.txt",
        "sub dir/é\n.txt",
    ]
    assert GitRepository(work).files(below=work / "sub dir") == ["new.txt", "é\n.txt"]


def test_outside_of_a_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository") as caught:
        GitRepository(tmp_path)
    assert caught.value.exit_code == 2
    assert "actions/checkout" in caught.value.remedy


def test_without_git(work: Path) -> None:
    with pytest.raises(UsageError, match="git is not installed"):
        GitRepository(work, {"PATH": "/nonexistent"})


def test_without_a_commit(tmp_path: Path) -> None:
    git_in(tmp_path)("init", "-q")
    with pytest.raises(UsageError, match="no commit"):
        GitRepository(tmp_path).head()


def test_a_shallow_clone_names_the_remedy(work: Path, tmp_path: Path) -> None:
    git = git_in(tmp_path)
    git("-C", "work", "push", "-q", "origin", "feature")
    origin = (tmp_path / "origin.git").as_uri()
    git("clone", "-q", "--depth=1", "--branch=feature", origin, "shallow")
    shallow = GitRepository(tmp_path / "shallow")
    assert shallow.is_shallow()
    with pytest.raises(UsageError, match="'main' is not in this shallow clone") as caught:
        shallow.target_tip("main")
    assert "fetch-depth: 0" in caught.value.remedy
    git("-C", "shallow", "fetch", "-q", "--depth=1", "origin", "main:refs/remotes/origin/main")
    with pytest.raises(UsageError, match="the history is not here") as caught:
        shallow.changed("origin/main", "HEAD")
    assert "fetch-depth: 0" in caught.value.remedy


def test_histories_that_never_met(work: Path) -> None:
    git = git_in(work)
    git("checkout", "-q", "--orphan", "other")
    commit(git, work, "other.txt", "3")
    with pytest.raises(UsageError, match="no common history"):
        GitRepository(work).changed("main", "other")


def test_a_partial_clone_fetches_nothing_behind_our_back(work: Path, tmp_path: Path) -> None:
    git = git_in(tmp_path)
    git("-C", "origin.git", "config", "uploadpack.allowFilter", "true")
    origin = (tmp_path / "origin.git").as_uri()
    git("clone", "-q", "--filter=blob:none", "--no-checkout", origin, "partial")
    with pytest.raises(UsageError, match=r"no content of mlops-ci\.yaml") as caught:
        GitRepository(tmp_path / "partial").read("HEAD", "mlops-ci.yaml")
    assert "filter" in caught.value.remedy


def test_nothing_that_the_repository_config_names_is_run(work: Path, tmp_path: Path) -> None:
    git, trap = git_in(work), tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "reference-transaction"):
        (hooks / name).symlink_to(trap)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand", "core.editor"):
        git("config", key, str(trap))
    git("config", "core.hooksPath", str(hooks))
    git("config", "diff.trap.textconv", str(trap))
    git("config", "filter.trap.smudge", str(trap))
    (work / ".git" / "info" / "attributes").write_text("* diff=trap filter=trap\n")
    (tmp_path / "sprung").unlink(missing_ok=True)
    repository = GitRepository(work)
    assert repository.changed("main", "feature")
    assert repository.read("main", "mlops-ci.yaml")
    repository.files()
    repository.target_tip(None)
    assert not (tmp_path / "sprung").exists()


def test_replaced_objects_are_not_followed(work: Path) -> None:
    git = git_in(work)
    blob = git("rev-parse", "main:mlops-ci.yaml")
    (work / "loose").write_text("alpha: 0.5\n")
    git("replace", blob, git("hash-object", "-w", "loose"))
    assert git("cat-file", "blob", blob) == "alpha: 0.5"
    assert GitRepository(work).read("main", "mlops-ci.yaml") == b"alpha: 0.05\n"


def test_a_git_that_trusts_no_command_line_is_told_as_one(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ubuntu 22.04 has git 2.34, which refuses a checkout of another user whatever `-c safe.directory` says."""
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'fatal: unsafe repository' >&2\nexit 128\n")
    old.chmod(0o755)
    mine = os.geteuid()
    monkeypatch.setattr("mlops_ci.adapters.git.os.geteuid", lambda: mine + 1)
    with pytest.raises(UsageError, match="belongs to another user") as caught:
        GitRepository(work, {"PATH": f"{old.parent}:/usr/bin:/bin"}).head()
    assert "2.38" in caught.value.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a checkout to another user")
def test_a_checkout_of_another_user_is_read(work: Path) -> None:
    subprocess.run(["chown", "-R", "12345:12345", str(work)], check=True)
    assert GitRepository(work).read("main", "mlops-ci.yaml") == b"alpha: 0.05\n"
