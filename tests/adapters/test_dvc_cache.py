"""DVC's cache: what is whole in it, and what may be put in place."""

import hashlib
import json
from pathlib import Path

import pytest

from mlops_ci.adapters.dvc.cache import Cache
from mlops_ci.adapters.dvc.graph import Tracked
from mlops_ci.errors import PipelineError


def store(cache: Path, data: bytes, suffix: str = "") -> str:
    checksum = hashlib.md5(data).hexdigest() + suffix
    path = cache / "files/md5" / checksum[:2] / checksum[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return checksum


def tracked(path: str, checksum: str, **entry: object) -> Tracked:
    return Tracked(path=path, checksum=checksum, entry={"hash": "md5", "md5": checksum, **entry})


def directory(cache: Path, files: dict[str, bytes]) -> str:
    listing = [{"md5": store(cache, data), "relpath": name} for name, data in files.items()]
    return store(cache, json.dumps(listing).encode(), ".dir")


def test_a_file_is_put_in_place(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    one = tracked("out/model.bin", store(cache.folder, b"model"), isexec=True)
    assert cache.whole(one)
    assert not cache.matches(one)
    cache.place(one)
    assert (tmp_path / "out/model.bin").read_bytes() == b"model"
    assert (tmp_path / "out/model.bin").stat().st_mode & 0o100
    assert cache.matches(one)
    (tmp_path / "out/model.bin").write_bytes(b"other")
    assert not cache.matches(one)


def test_a_directory_is_put_in_place(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    one = tracked("models", directory(cache.folder, {"a/b.txt": b"1", "c.txt": b"2"}))
    assert cache.whole(one)
    cache.place(one)
    assert (tmp_path / "models/a/b.txt").read_bytes() == b"1"
    assert cache.matches(one)
    (tmp_path / "models/more.txt").touch()
    assert not cache.matches(one)


def test_a_directory_that_lacks_a_file_is_not_whole(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    one = tracked("models", directory(cache.folder, {"a": b"1"}))
    missing = hashlib.md5(b"1").hexdigest()
    (cache.folder / "files/md5" / missing[:2] / missing[2:]).unlink()
    assert not cache.whole(one)


def test_corrupted_bytes_are_refused(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    checksum = store(cache.folder, b"model")
    (cache.folder / "files/md5" / checksum[:2] / checksum[2:]).write_bytes(b"evil")
    with pytest.raises(PipelineError, match=r"other bytes for model\.bin"):
        cache.place(tracked("model.bin", checksum))
    assert not (tmp_path / "model.bin").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_a_listing_that_leaves_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    one = tracked("models", directory(cache.folder, {name: b"1"}))
    with pytest.raises(PipelineError, match="a file outside of itself"):
        cache.place(one)


@pytest.mark.parametrize("path", ["../evil", "/evil"])
def test_a_path_that_leaves_the_project_is_refused(tmp_path: Path, path: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    cache = Cache(tmp_path / "cache", root)
    with pytest.raises(PipelineError, match="leads out of the repository"):
        cache.place(tracked(path, store(cache.folder, b"1")))


def test_the_layout_before_dvc_3(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", tmp_path)
    checksum = hashlib.md5(b"text\n").hexdigest()
    path = cache.folder / checksum[:2] / checksum[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"text\r\n")  # hashed with its line ends made equal
    one = Tracked(path="text.txt", checksum=checksum, entry={"md5": checksum})
    assert cache.whole(one)
    cache.place(one)
    assert (tmp_path / "text.txt").read_bytes() == b"text\r\n"
