"""Evidence bundles: what was written is read back, and nothing in them is believed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlops_ci.adapters.bundle import read_bundle, write_bundle
from mlops_ci.adapters.files import path_digest
from mlops_ci.adapters.ports import Evidence
from mlops_ci.core.bundle import Failure, Manifest, folder_name, inside
from mlops_ci.core.lineage import DataFile, Lineage, Stage
from mlops_ci.errors import EvidenceError

LINEAGE = Lineage(
    git_commit="c" * 40,
    pipeline_version="v",
    dvc_lock_digest="d",
    data=[DataFile(path="a.csv", checksum="m")],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}")
    (model / "data" / "weights.bin").write_bytes(b"\x00\x01")
    (tmp_path / "p.csv").write_text("id,y_pred\n1,1\n")
    manifest = Manifest(
        model="my model/ü",
        head="c" * 40,
        lineage=LINEAGE,
        stages=[
            Stage(
                name="train", command="python train.py", params={"params.yaml:a": 1}, seconds=1.5, state="ran"
            )
        ],
        predictions="predictions/p.csv",
        model_path="model/model",
        model_digest=path_digest(model),
        metrics={"accuracy": 0.5},
    )
    evidence = Evidence(
        manifest=manifest, places={"predictions/p.csv": tmp_path / "p.csv", "model/model": tmp_path / "model"}
    )
    write_bundle(evidence, tmp_path / "evidence")
    return tmp_path / "evidence"


def test_what_was_written_is_read_back(folder: Path) -> None:
    evidence = read_bundle(folder, "my model/ü")
    assert evidence.manifest.lineage == LINEAGE
    assert evidence.manifest.stages[0].params == {"params.yaml:a": 1}
    assert evidence.places["predictions/p.csv"].read_text() == "id,y_pred\n1,1\n"
    assert (evidence.places["model/model"] / "data" / "weights.bin").read_bytes() == b"\x00\x01"


def test_a_failure_is_carried_over(tmp_path: Path) -> None:
    write_bundle(
        Evidence(manifest=Manifest(model="m", failure=Failure(problem="stage 'train' failed"))), tmp_path
    )
    assert read_bundle(tmp_path, "m").manifest.failure == Failure(problem="stage 'train' failed")


def manifest_of(folder: Path) -> Path:
    return folder / folder_name("my model/ü") / "manifest.json"


def edit(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = manifest_of(folder)
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def text(content: str) -> Callable[[Path], None]:
    return lambda folder: manifest_of(folder).write_text(content) and None


HOSTILE: dict[str, Callable[[Path], Any]] = {
    "no manifest": lambda folder: manifest_of(folder).unlink(),
    "no JSON": text("{"),
    "deep JSON": text('{"a":' * 100_000),
    "NaN": text('{"schema_version": 1, "model": "my model/ü", "metrics": {"a": NaN}}'),
    "a number that overflows": text('{"schema_version": 1, "model": "my model/ü", "metrics": {"a": 1e999}}'),
    "another version": edit(schema_version=2),
    "another model": edit(model="other"),
    "a metric that is text": edit(metrics={"a": "b"}),
    "a list for a mapping": edit(files=[]),
    "a path that leads out": edit(predictions="../../../p.csv"),
    "an absolute path": edit(predictions="/etc/passwd"),
    "a path that is not there": edit(predictions="q.csv"),
    "an unknown state of a stage": edit(stages=[{"name": "a", "command": "b", "state": "hacked"}]),
    "changed content": lambda folder: (manifest_of(folder).parent / "predictions" / "p.csv").write_text("id\n"),
    "a file more": lambda folder: (manifest_of(folder).parent / "more").write_text(""),
    "a file less": lambda folder: (manifest_of(folder).parent / "predictions" / "p.csv").unlink(),
    "a link": lambda folder: (manifest_of(folder).parent / "link").symlink_to("/etc/passwd"),
    "a linked folder": lambda folder: (manifest_of(folder).parent / "link").symlink_to("/etc"),
    "a pipe": lambda folder: os.mkfifo(manifest_of(folder).parent / "pipe"),
    "a manifest that is a link": lambda folder: (
        manifest_of(folder).rename(folder / "m"), manifest_of(folder).symlink_to(folder / "m")),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bundles_are_refused(name: str, folder: Path) -> None:
    HOSTILE[name](folder)
    with pytest.raises(EvidenceError) as caught:
        read_bundle(folder, "my model/ü")
    assert caught.value.exit_code == 5
    assert len(str(caught.value)) < 1000


def test_a_model_with_a_link_is_not_bundled(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to("/etc/passwd")
    evidence = Evidence(
        manifest=Manifest(model="m", model_path="model"), places={"model": tmp_path / "model"}
    )
    with pytest.raises(EvidenceError, match="link"):
        write_bundle(evidence, tmp_path / "evidence")
    assert not list((tmp_path / "evidence").rglob("manifest.json"))


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../../b", "a\\b", "C:a", "a\0b"])
def test_paths_that_lead_out(path: str) -> None:
    assert not inside(path)
