"""`reproduce: verify` and `pull`: nothing runs; what is not proven is refused."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from dvc_repo import DvcRepo, Recorder
from fakes.fault_proxy import Fault, FaultProxy

from mlops_ci.errors import PipelineError, ServiceError, UsageError

NEEDED = ["models", "reports/predictions.csv"]


def remove_from_remote(repo: DvcRepo, prefix: str) -> None:
    """Remove an output of dvc.lock from the remote, and its file if it is a directory's only one."""
    for path in repo.remote.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(prefix.encode()):
            path.unlink()


def test_a_current_lock_is_verified_without_running_and_with_few_bytes(dvc_repo: DvcRepo) -> None:
    clone, console = dvc_repo.clone(), Recorder()
    run = clone.pipeline(console).reproduce("verify", ["evaluate"], NEEDED)
    assert [(stage.name, stage.state) for stage in run.stages] == [
        ("prepare", "skipped"),
        ("train", "restored"),
        ("evaluate", "restored"),
    ]
    assert (clone.root / "models/model.json").is_file()
    assert (clone.root / "reports/predictions.csv").is_file()
    assert not (clone.root / "data/raw.csv").exists()
    assert not (clone.root / "data/prepared").exists()
    assert "trained" not in console.lines
    assert run.lock_changed is False


def test_a_stale_lock_is_refused_with_all_that_follows(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/train.py", "trained", "trained more")
    with pytest.raises(PipelineError) as caught:
        clone.pipeline().reproduce("verify", ["evaluate"], NEEDED)
    assert caught.value.exit_code == 5
    assert "dvc.lock is not current" in caught.value.problem
    assert "train: src/train.py modified" in caught.value.problem
    assert "evaluate: follows stage 'train'" in caught.value.problem
    assert "prepare" not in caught.value.problem
    assert not (clone.root / "models").exists()


def test_new_data_behind_an_old_lock_is_refused(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    text = (clone.root / "data/raw.csv.dvc").read_text()
    checksum = text.split("md5: ")[1].split()[0]
    clone.edit("data/raw.csv.dvc", checksum, checksum[::-1])
    with pytest.raises(PipelineError, match=r"prepare: data/raw\.csv modified"):
        clone.pipeline().reproduce("verify", [], NEEDED)


def test_a_file_of_a_directory_that_is_not_in_the_remote_is_found(dvc_repo: DvcRepo) -> None:
    remove_from_remote(dvc_repo, '{"threshold"')
    with pytest.raises(PipelineError, match=r"not in the DVC remote: models/model\.json") as caught:
        dvc_repo.pipeline().reproduce("verify", [], NEEDED)
    assert "dvc push" in caught.value.remedy


def test_a_remote_that_is_gone_is_a_service_failure(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    dvc_repo.remote.rename(dvc_repo.remote.with_name("away"))
    with pytest.raises(ServiceError, match="does not exist") as caught:
        clone.pipeline().reproduce("verify", [], NEEDED)
    assert caught.value.exit_code == 4


def test_pull_takes_the_lock_at_its_word(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.edit("src/train.py", "trained", "trained more")
    run = clone.pipeline().reproduce("pull", ["evaluate"], NEEDED)
    assert [stage.name for stage in run.stages] == ["prepare", "train", "evaluate"]
    assert (clone.root / "models/model.json").is_file()


def test_pull_refuses_what_is_in_the_way(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    clone.write("reports/predictions.csv", "id,y_true,y_pred\n1,1,1\n")
    with pytest.raises(PipelineError, match=r"reports/predictions\.csv is not what dvc\.lock names"):
        clone.pipeline().reproduce("pull", ["evaluate"], NEEDED)


def test_pull_refuses_what_git_keeps_of_an_earlier_run(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    assert clone.pipeline().reproduce("pull", ["evaluate"], [*NEEDED, "metrics.json"]).stages
    clone.write("metrics.json", '{"accuracy": 0.99}')
    with pytest.raises(PipelineError, match=r"metrics\.json is not what dvc\.lock names"):
        clone.pipeline().reproduce("pull", ["evaluate"], [*NEEDED, "metrics.json"])


def test_pull_of_what_was_never_pushed(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    remove_from_remote(dvc_repo, "id,y_true")
    with pytest.raises(PipelineError, match=r"neither here nor in the DVC remote: reports/predictions\.csv"):
        clone.pipeline().reproduce("pull", ["evaluate"], NEEDED)


def test_verify_without_a_remote(dvc_repo: DvcRepo) -> None:
    dvc_repo.write(".dvc/config", "")
    with pytest.raises(UsageError, match="no DVC remote"):
        dvc_repo.pipeline().reproduce("verify", [], NEEDED)


def test_a_link_on_the_way_out_of_the_repository_is_not_followed(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    outside = clone.root.parent / "outside"
    outside.mkdir()
    (clone.root / "reports/.gitignore").unlink()
    (clone.root / "reports").rmdir()
    (clone.root / "reports").symlink_to(outside)
    with pytest.raises(PipelineError, match="leads out of the repository"):
        clone.pipeline().reproduce("pull", ["evaluate"], NEEDED)
    assert list(outside.iterdir()) == []


def test_a_corrupted_object_is_refused(dvc_repo: DvcRepo) -> None:
    clone = dvc_repo.clone()
    for path in dvc_repo.remote.rglob("*"):
        if path.is_file() and path.read_bytes().startswith(b"id,y_true"):
            path.chmod(0o644)
            path.write_text("id,y_true,y_pred\n1,1,1\n")
    with pytest.raises(PipelineError, match=r"reports/predictions\.csv"):
        clone.pipeline().reproduce("pull", ["evaluate"], NEEDED)
    assert not (clone.root / "reports/predictions.csv").exists()


@pytest.mark.parametrize("path", ["reports/predictions.csv", "models"])
def test_a_portals_page_in_the_place_of_an_object_stays_nowhere(dvc_repo: DvcRepo, path: str) -> None:
    """DVC keeps what an HTTP server or S3 hands out under the checksum of what was asked for."""
    clone = dvc_repo.clone()
    handler = partial(SimpleHTTPRequestHandler, directory=str(dvc_repo.remote))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with FaultProxy(f"http://127.0.0.1:{server.server_port}") as proxy:
            clone.edit(".dvc/config", "../../remote", proxy.url)
            proxy.arm(Fault("html", 0))
            with pytest.raises(ServiceError, match="DVC remote: "):
                clone.pipeline().reproduce("pull", ["evaluate"], [path])
            proxy.arm()
            clone.pipeline().reproduce("pull", ["evaluate"], [path])
        server.shutdown()
    assert (clone.root / path).exists()
