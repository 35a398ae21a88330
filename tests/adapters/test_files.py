"""Digests of models, atomic writes, and the environment's lock files."""

import hashlib
from pathlib import Path

import pytest

from mlops_ci.adapters.files import environment_locks, path_digest, write_atomic
from mlops_ci.errors import EvidenceError


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_digest_of_a_file_is_its_sha_256(tmp_path: Path) -> None:
    tree(tmp_path, {"model": "bytes"})
    assert path_digest(tmp_path / "model") == hashlib.sha256(b"bytes").hexdigest()


def test_the_digest_of_a_directory_is_of_its_paths_and_contents(tmp_path: Path) -> None:
    one = path_digest(tree(tmp_path / "1", {"b/x": "1", "a": "2"}))
    same = tree(tmp_path / "2", {"a": "2", "b/x": "1"})
    (same / "empty").mkdir()
    assert path_digest(same) == one
    assert path_digest(tree(tmp_path / "3", {"b/x": "1", "a": "3"})) != one
    assert path_digest(tree(tmp_path / "4", {"b-x": "1", "a": "2"})) != one
    assert path_digest(tree(tmp_path / "5", {"b/x": "1", "a": "2", "c": ""})) != one


def test_a_link_inside_of_the_directory_is_what_it_points_at(tmp_path: Path) -> None:
    plain = tree(tmp_path / "1", {"a": "1", "b": "1"})
    linked = tree(tmp_path / "2", {"a": "1"})
    (linked / "b").symlink_to("a")
    assert path_digest(linked) == path_digest(plain)


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", ".."])
def test_a_link_that_leaves_the_directory_is_refused(tmp_path: Path, target: str) -> None:
    folder = tree(tmp_path / "model", {"a": "1"})
    tree(tmp_path, {"secret": "1"})
    (folder / "b").symlink_to(target)
    with pytest.raises(EvidenceError, match="symbolic link that leaves"):
        path_digest(folder)


def test_a_link_to_a_directory_inside_is_refused(tmp_path: Path) -> None:
    folder = tree(tmp_path / "model", {"sub/a": "1"})
    (folder / "again").symlink_to("sub")
    with pytest.raises(EvidenceError, match="not a regular file"):
        path_digest(folder)


def test_nothing_and_empty_directories_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    with pytest.raises(EvidenceError, match="empty directory"):
        path_digest(tmp_path / "empty")
    with pytest.raises(EvidenceError, match="does not exist"):
        path_digest(tmp_path / "missing")


def test_an_atomic_write_keeps_the_mode_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_atomic(path, "{}")
    path.chmod(0o600)
    write_atomic(path, b"[]")
    assert path.read_text() == "[]"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["report.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    write_atomic(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_environments_lock_files_are_found_where_they_matter(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {"uv.lock": "1", "requirements-dev.txt": "2", "sub/requirements.txt": "3", "deep/er/uv.lock": "4"},
    )
    (tmp_path / "poetry.lock").symlink_to("/etc/passwd")
    found = environment_locks([tmp_path, tmp_path / "sub"], tmp_path)
    assert list(found) == ["requirements-dev.txt", "sub/requirements.txt", "uv.lock"]
    assert found["uv.lock"] == hashlib.sha256(b"1").hexdigest()
