"""Releasing, on a throw-away clone: what a tag must have, what its workflows name, and what its notes say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WHO = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
REPOSITORY = "acme/mlops-ci"
VERSION = "v" + next(
    line.split('"')[1]
    for line in (ROOT / "pyproject.toml").read_text().splitlines()
    if line.startswith("version = ")
)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *WHO, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def script(folder: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the clone, with the clone's package."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(folder),
        "GIT_CONFIG_GLOBAL": str(folder.parent / "gitconfig"),
    }
    return subprocess.run(
        [sys.executable, str(folder / "scripts" / name), *arguments],
        cwd=folder.parent, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as it stands here, whose version is about to be released."""
    clone = tmp_path_factory.mktemp("release") / "clone"
    clone.mkdir()
    (clone.parent / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n")
    git(clone, "init", "-q", "-b", "main")
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for name in listed:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, clone / name)
    git(clone, "add", "--all")
    git(clone, "commit", "-qm", "As it stands")
    early = script(clone, "release.py", REPOSITORY, VERSION)
    assert early.returncode == 1
    assert "CHANGELOG.md has no section" in early.stderr
    changelog = clone / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased", f"## {VERSION[1:]} (2026-11-23)", 1))
    assert script(clone, "surface.py").returncode == 0
    dirty = script(clone, "release.py", REPOSITORY, VERSION)
    assert "changes that are not committed" in dirty.stderr
    git(clone, "commit", "--all", "-qm", "Release it")
    made = script(clone, "release.py", REPOSITORY, VERSION)
    assert made.returncode == 0, made.stderr
    assert f"git push origin {VERSION}" in made.stdout
    return clone


@pytest.fixture
def checkout(released: Path, tmp_path: Path) -> Path:
    """The tag, as its workflow checks it out."""
    tree = tmp_path / "tagged"
    git(tmp_path, "clone", "-q", "--branch", VERSION, "--depth", "2", f"file://{released}", str(tree))
    shutil.copy(released.parent / "gitconfig", tmp_path / "gitconfig")
    return tree


def test_the_tag_is_beside_main_and_its_workflows_name_the_code_of_main(
    released: Path, checkout: Path
) -> None:
    main = git(released, "rev-parse", "main")
    assert git(released, "status", "--porcelain") == ""
    assert git(released, "rev-parse", f"{VERSION}^{{commit}}^") == main
    assert "OWNER/mlops-ci@REF" in (released / ".github/workflows/gate.yml").read_text()
    called = [
        path for path in (checkout / ".github/workflows").glob("*.yml") if "workflow_call" in path.read_text()
    ]
    assert {path.stem for path in called} == {"gate", "promote", "canary", "monitor", "retrain"}
    for path in called:
        text = path.read_text()
        assert "OWNER" not in text
        assert f"uses: {REPOSITORY}/.github/workflows/{path.name}@{VERSION}" in text
        assert f"uses: {REPOSITORY}@{main} # {VERSION}" in text
        steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
        assert any(step.get("uses") == f"{REPOSITORY}@{main}" for step in steps)


def test_the_tag_passes_and_its_notes_are_the_changelogs(released: Path, checkout: Path) -> None:
    done = script(checkout, "check_release.py", VERSION, REPOSITORY)
    assert done.returncode == 0, done.stderr
    said = script(checkout, "release_notes.py", VERSION)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("### ")
    assert "- `mlops-ci check`: reproduces the DVC pipeline" in said.stdout
    assert "## " + VERSION[1:] not in said.stdout
    assert said.stdout.endswith(
        f"Pin the action: `uses: {REPOSITORY}@{git(released, 'rev-parse', 'main')} # {VERSION}`\n"
    )


def test_what_does_not_fit_is_refused(released: Path, checkout: Path) -> None:
    other = script(checkout, "check_release.py", VERSION, "someone/mlops-ci")
    assert other.returncode == 1
    assert "not a commit of someone/mlops-ci" in other.stderr
    by_hand = script(released, "check_release.py", VERSION, REPOSITORY)
    assert "use 'OWNER/mlops-ci@REF'" in by_hand.stderr
    (checkout / "action.yml").write_text("name: another\n")
    git(checkout, "commit", "--all", "-qm", "After it was named")
    moved = script(checkout, "check_release.py", VERSION, REPOSITORY)
    assert "where action.yml is other" in moved.stderr
    assert f"there is a tag {VERSION} already" in script(released, "release.py", REPOSITORY, VERSION).stderr


def test_notes_of_another_version_or_of_nothing_are_an_error(checkout: Path) -> None:
    wrong = script(checkout, "release_notes.py", "v99.0.0")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "the tag is v99.0.0, pyproject.toml says" in wrong.stderr
    (checkout / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION[1:]}\n\n## 0.0.1\n\n- Begun\n")
    empty = script(checkout, "release_notes.py", VERSION)
    assert (empty.returncode, empty.stdout) == (1, "")
    assert "has no section" in empty.stderr
