"""Hostile bundles and reports, each by a name: refused with a clear message, never a crash, never a pass."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import shutil
import socket
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from dvc_repo import DvcRepo, copy_dvc_repo
from fakes.github import GitHub
from fakes.runner import Runner
from guarded_repo import SETTINGS, GuardedRepo

from mlops_ci.adapters import bundle as bundles
from mlops_ci.adapters.data import file_formats, frames
from mlops_ci.adapters.files import file_digest, path_digest
from mlops_ci.core.bundle import MANIFEST, folder_name

pytestmark = pytest.mark.slow

HOLDOUT = SETTINGS.replace(
    "{predictions: reports/predictions.csv}",
    "{predictions: reports/predictions.csv, holdout: data/prepared/test.csv, target: y}",
)
FOREIGN = (
    "<script>zq()</script>\n::error::zq\n# zq @zq [a](http://zq.example) ![b](http://zq.example/x.png) | `zq`"
)


@dataclass
class Bundle:
    """One model's folder in a bundle, to be bent out of shape."""

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / MANIFEST).read_text())

    def text(self, content: str | bytes) -> None:
        (self.folder / MANIFEST).write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, **changes: Any) -> None:
        self.text(json.dumps(self.manifest | changes))

    def put(self, name: str, data: bytes | str, **changes: Any) -> None:
        """Write a file, and let the manifest agree with it."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data.encode() if isinstance(data, str) else data)
        self.seal(**changes)

    def seal(self, **changes: Any) -> None:
        files = {
            path.relative_to(self.folder).as_posix(): file_digest(path)
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        }
        self.edit(files=files, **changes)

    def predictions(self, data: bytes | str, suffix: str = ".csv") -> None:
        """Put other predictions in their place, with digests that agree."""
        (self.folder / self.manifest["predictions"]).unlink()
        self.put(f"predictions/p{suffix}", data, predictions=f"predictions/p{suffix}")


def rows(row: Callable[[int], str], header: str = "id,y_true,y_pred", ids: range = range(100, 200)) -> str:
    return "\n".join([header, *(row(i) for i in ids)]) + "\n"


def parquet(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def ids() -> list[str]:
    return [str(i) for i in range(100, 200)]


def feather(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pf.write_feather(table, out, compression="uncompressed")
    return out.getvalue()


GOOD = pa.table({"id": ids(), "y_true": [0] * 100, "y_pred": [0] * 100})


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def broken_offsets() -> bytes:
    data = bytearray(feather(GOOD))
    offsets = pa.array(ids()).buffers()[1].to_pybytes()
    place = data.find(offsets[:40])
    assert place > 0
    data[place + 8 : place + 16] = b"\xff\xff\xff\x7f\xff\xff\xff\x7f"
    return bytes(data)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../../../tmp/escaped", "x")
    return out.getvalue()


def special(make: Callable[[Path], Any]) -> Callable[[Bundle], None]:
    return lambda b: make(b.folder / "special") and None


def bound_socket(path: Path) -> None:
    here = os.open(".", os.O_RDONLY)
    try:  # an address holds at most 108 characters
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")


def many_files(b: Bundle) -> None:
    for number in range(bundles.MAX_FILES + 1):
        (b.folder / f"f{number}").touch()


def sparse(b: Bundle) -> None:
    with (b.folder / b.manifest["predictions"]).open("r+b") as file:
        file.truncate(2**40)


def replaced_by_link(b: Bundle) -> None:
    shutil.move(b.folder, b.folder.with_name("elsewhere"))
    b.folder.symlink_to(b.folder.with_name("elsewhere"))


def champions_digest(b: Bundle) -> None:
    """Claim the champion's bytes: that would count as unchanged, without a look at the predictions."""
    b.edit(model_digest=os.environ["CHAMPION_DIGEST"])


def flattering_labels(b: Bundle) -> None:
    name = b.manifest["holdout"]
    predicted = dict(
        line.split(",")[::2] for line in (b.folder / b.manifest["predictions"]).read_text().split()[1:]
    )
    lines = (b.folder / name).read_text().split()
    b.put(name, "\n".join([lines[0], *(f"{one.rsplit(',', 1)[0]},{predicted[one.split(',')[0]]}" for one in lines[1:])]) + "\n")  # fmt: skip


def profile_of(text: str) -> Callable[[Bundle], None]:
    def put(b: Bundle) -> None:
        b.put("profile/reference.json", text)
        b.put("profile/current.json", text, profiles={"reference": "profile/reference.json", "current": "profile/current.json"})  # fmt: skip

    return put


Case = tuple[Callable[[Bundle], Any], str] | tuple[Callable[[Bundle], Any], str, int]
M, P = (lambda t: lambda b: b.text(t)), (lambda t, s=".csv": lambda b: b.predictions(t, s))
E: Callable[..., Callable[[Bundle], None]] = lambda **c: lambda b: b.edit(**c)  # noqa: E731
V = '"schema_version": 1, "model": "moons"'
CASES: dict[str, Case] = {
    # the manifest as text
    "no manifest": (lambda b: (b.folder / MANIFEST).unlink(), "no evidence"),
    "an empty manifest": (M(""), "not JSON"),
    "half a manifest": (M('{"model": "moo'), "not JSON"),
    "a list": (M("[]"), "schema_version"),
    "null": (M("null"), "schema_version"),
    "JSON 100,000 deep": (M('{"a":' * 100_000), "not JSON"),
    "parameters 80 deep": (lambda b: b.edit(params=nested(80)), "deeper"),
    "NaN": (M(f'{{{V}, "metrics": {{"accuracy": NaN}}}}'), "not a finite number"),
    "minus infinity": (M(f'{{{V}, "metrics": {{"accuracy": -Infinity}}}}'), "not a finite number"),
    "1e999": (M(f'{{{V}, "metrics": {{"accuracy": 1e999}}}}'), "not a finite number"),
    "an integer of 100 digits": (M(f'{{{V}, "train_overlap": {"9" * 100}}}'), "too large"),
    "an integer of 10,000 digits": (M(f'{{{V}, "train_overlap": {"9" * 10_000}}}'), "not JSON"),
    "a key twice": (M(f'{{{V}, "head": "a", "head": "b"}}'), "twice"),
    "half a character": (M(f'{{{V}, "head": "\\ud800"}}'), "not JSON"),
    "half a character in a key": (M(f'{{{V}, "params": {{"\\udfff": 1}}}}'), "not JSON"),
    "UTF-16": (M(f"{{{V}}}".encode("utf-16")), "not JSON"),
    "bytes that are no text": (M(b"\xff\xfe\x00{"), "not JSON"),
    "a manifest of 9 MiB": (M(" " * (9 * 2**20)), "larger than"),
    "a later schema": (E(schema_version=2), "schema_version is 2"),
    "a schema version as text": (E(schema_version="1; DROP"), "schema_version"),
    "a schema version full of markup": (E(schema_version=FOREIGN), "schema_version"),
    # the manifest's values
    "another model": (E(model="other"), "is about the model 'other'"),
    "another model, in markup": (E(model=FOREIGN), "is about the model"),
    "a model that is no text": (E(model={"a": 1}), "model"),
    "another commit": (E(head="d" * 40), "the evidence is of commit dddddddddddd"),
    "no commit": (E(head=""), "the evidence is of commit"),
    "a commit in markup": (E(head=FOREIGN), "the evidence is of commit"),
    "a metric that is text": (E(metrics={"accuracy": "high"}), "metrics.accuracy"),
    "a metric that is a list": (E(metrics={"accuracy": [1]}), "metrics.accuracy"),
    "a metric's name in markup": (E(metrics={FOREIGN: "x"}), "metrics"),
    "files as a list": (E(files=[]), "files"),
    "stages as text": (E(stages="train"), "stages"),
    "a stage in an unknown state": (E(stages=[{"name": "a", "command": "b", "state": "fine"}]), "state"),
    "lineage as a list": (E(lineage=[]), "lineage"),
    "an unknown kind of model": (E(model_format="pickle"), "model_format"),
    "leaking rows": (E(train_overlap=3), "3 holdout rows are among the training rows"),
    "a failure that says pass": (E(failure={"problem": FOREIGN, "exit_code": 0}), "zq"),
    "a failure that says held": (E(failure={"problem": "x", "exit_code": 3}), "could not tell"),
    "a failure of a service": (E(failure={"problem": FOREIGN, "exit_code": 4}), "could not tell", 4),
    # the manifest's paths
    "predictions above the bundle": (E(predictions="../../../etc/passwd"), "not in it"),
    "absolute predictions": (E(predictions="/etc/passwd"), "not in it"),
    "a backslash": (E(predictions="..\\..\\etc"), "not in it"),
    "a drive": (E(predictions="C:/x"), "not in it"),
    "a null byte": (E(predictions="a\0b"), "not in it"),
    "a path of 5,000 characters": (E(predictions="a/" * 2500), "not in it"),
    "a name of 300 characters": (E(predictions="a" * 300), "not in it"),
    "wide dots": (E(predictions="．．/p.csv"), "not in it"),
    "predictions that are a folder": (E(predictions="predictions"), "is a folder"),
    "predictions that are the manifest": (E(predictions=MANIFEST), "manifest.json"),
    "a lock file above the bundle": (E(dvc_lock="../../x"), "not in it"),
    "a model above the bundle": (E(model_path="../.."), "not in it"),
    "a profile above the bundle": (E(profiles={"reference": "../x"}), "not in it"),
    "predictions left out": (E(predictions=None), "no predictions"),
    "the holdout left out": (E(holdout=None), "lacks the holdout"),
    "the model left out": (E(model_path=None), "digest of the model"),
    "the model's digest left out": (E(model_digest=None), "digest of the model"),
    "the champion's digest for other bytes": (champions_digest, "digest of the model"),
    # its files
    "other content": (lambda b: (b.folder / b.manifest["predictions"]).write_text("id\n"), "digest of"),
    "another holdout": (lambda b: (b.folder / b.manifest["holdout"]).write_text("id\n"), "digest of"),
    "a file more": (lambda b: (b.folder / "more").write_text(""), "not those of the manifest"),
    "a file more, named in markup": (lambda b: (b.folder / "::error::zq\n<script>zq").write_text(""), "not those of the manifest"),
    "a file less": (lambda b: (b.folder / b.manifest["predictions"]).unlink(), "not those of the manifest"),
    "a link to a file": (special(lambda p: p.symlink_to("/etc/passwd")), "link or a special file"),
    "a link to a folder": (special(lambda p: p.symlink_to("/etc")), "link or a special file"),
    "a link to itself": (special(lambda p: p.symlink_to(p)), "link or a special file"),
    "a link to nothing": (special(lambda p: p.symlink_to("nowhere")), "link or a special file"),
    "a hard link": (lambda b: os.link(b.folder / "dvc.lock", b.folder / "more"), "not those of the manifest"),
    "a pipe": (special(os.mkfifo), "link or a special file"),
    "a socket": (special(bound_socket), "link or a special file"),
    "a device": (special(device), "link or a special file"),
    "a manifest that is a link": (lambda b: ((b.folder / MANIFEST).rename(b.folder.parent / "m"), (b.folder / MANIFEST).symlink_to(b.folder.parent / "m")), "link"),
    "a manifest that is a folder": (lambda b: ((b.folder / MANIFEST).unlink(), (b.folder / MANIFEST).mkdir()), "no evidence"),
    "a bundle that is a link": (replaced_by_link, "no evidence"),
    "20,001 files": (many_files, "more than 20000 files"),
    "a file of a tebibyte": (sparse, "bytes"),
    # predictions whose digests are right
    "no row": (P("id,y_true,y_pred\n"), "no row"),
    "no byte": (P(""), "0 bytes"),
    "a NaN prediction": (P(rows(lambda i: f"{i},0,nan")), "missing or infinite"),
    "an infinite prediction": (P(rows(lambda i: f"{i},0,1e999")), "missing or infinite"),
    "an id twice": (P(rows(lambda i: f"{min(i, 198)},0,0")), "occurs more than once"),
    "other ids": (P(rows(lambda i: f"x{i},0,0")), "is not in the holdout"),
    "ids in wide digits": (P(rows(lambda i: f"{str(i).translate({48 + d: 0xFF10 + d for d in range(10)})},0,0")), "is not in the holdout"),
    "an id with a space": (P(rows(lambda i: f"{i} ,0,0")), "is not in the holdout"),
    "no column id": (P(rows(lambda i: f"{i},0,0", "key,y_true,y_pred")), "no column 'id'"),
    "a column twice": (P(rows(lambda i: f"{i},0,0", "id,y_pred,y_pred")), "twice"),
    "a row of other length": (P(rows(lambda i: f"{i},0,0,secret-of-a-row" if i == 150 else f"{i},0,0")), "cannot be read"),
    "an open quote": (P(rows(lambda i: f'"{i},0,0' if i == 100 else f"{i},0,0")), "cannot be read"),
    "CSV in UTF-16": (P(rows(lambda i: f"{i},0,0").encode("utf-16")), "column"),
    "a pickle": (P(pickle.dumps({"id": 1}), ".pkl"), "no known format"),
    "a pickle called CSV": (P(pickle.dumps({"id": 1}), ".csv"), "id"),
    "an archive called CSV": (P(zipped(), ".csv"), "id"),
    "a bomb in gzip": (P(gzip.compress(b"id,y_true,y_pred\n" + b"0" * 50_000_000), ".csv.gz"), "bytes"),
    "half a Parquet file": (P(parquet(GOOD)[:-200], ".parquet"), "cannot be read"),
    "Parquet without a footer": (P(b"PAR1" + b"\0" * 64 + b"PAR1", ".parquet"), "cannot be read"),
    "Parquet that promises 4 GB of footer": (P(parquet(GOOD)[:-8] + b"\xff\xff\xff\x7fPAR1", ".parquet"), "cannot be read"),
    "Parquet with nested ids": (P(parquet(pa.table({"id": [{"a": i} for i in ids()], "y_true": [0] * 100, "y_pred": [0] * 100})), ".parquet"), "is not in the holdout"),
    "Parquet with lists for predictions": (P(parquet(GOOD.set_column(2, "y_pred", pa.array([[1, [2]][:1] for _ in ids()]))), ".parquet"), "holds lists"),
    "Parquet of too many rows": (P(parquet(pa.table({"id": pa.array(range(3_000_000)), "y_true": [0] * 3_000_000, "y_pred": [0] * 3_000_000})), ".parquet"), "rows"),
    "a bomb of one text in Parquet": (P(parquet(pa.table({"id": ["x" * 1_000_000] * 2000, "y_true": [0] * 2000, "y_pred": [0] * 2000}), compression="zstd"), ".parquet"), "unfolds"),
    "Feather whose offsets lead out": (P(broken_offsets(), ".feather"), "cannot be read"),
    "half a Feather file": (P(feather(GOOD)[:300], ".feather"), "cannot be read"),
    "JSON lines 10,000 deep": (P('{"id":' * 10_000, ".jsonl"), "cannot be read"),
    "JSON lines that are lists": (P("[1, 2]\n" * 5, ".jsonl"), "cannot be read"),
    # the labels
    "a holdout with flattering labels": (flattering_labels, "own copy of the holdout", 3),
    "a holdout without labels": (lambda b: b.put(b.manifest["holdout"], "id,x\n100,1\n"), "no column 'y'"),
    "a holdout with an id twice": (lambda b: b.put(b.manifest["holdout"], "id,x,y\n100,1,1\n100,1,0\n"), "more than once"),
    "a listing of the holdout's folder that was made up": (lambda b: (flattering_labels(b), b.put(b.manifest["holdout_folder"], '[{"md5": "a", "relpath": "test.csv"}]')), "own copy of the holdout", 3),
    "a listing that nests": (lambda b: (flattering_labels(b), b.put(b.manifest["holdout_folder"], "[" * 50_000)), "own copy of the holdout", 3),
    # profiles
    "a profile that is no JSON": (profile_of("{"), "profile"),
    "a profile that nests": (profile_of("[" * 50_000), "profile"),
    "a profile of a later version": (profile_of('{"what": "mlops-ci profile", "schema_version": 99}'), "version 99"),
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """A repository with a change, and its honest bundle."""

    repo: DvcRepo
    evidence: Path
    champion: str


@pytest.fixture(scope="module")
def scene(guarded_template: DvcRepo, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    repo = copy_dvc_repo(guarded_template, folder / "repo")
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{repo.root.parent / 'mlflow.db'}"}
    ours = (os.sys.executable, "-m", "mlops_ci")
    repo.write("mlops-ci.yaml", HOLDOUT)
    repo.commit()
    repo.push()
    repo.git("fetch", "-q", "origin")
    repo.run(*ours, "adopt", "--from-pipeline", environment=uri)
    champion = path_digest(repo.root / "models")
    repo.git("switch", "-qc", "change")
    repo.write("params.yaml", "train:\n  threshold: 0.9\n")
    repo.commit()
    repo.run(*ours, "reproduce", "--evidence", str(folder / "evidence"), environment=uri)
    return Scene(repo, folder / "evidence", champion)


def judged(
    scene: Scene, evidence: Path, github: GitHub, tmp_path: Path, guarded: GuardedRepo
) -> tuple[int, str, dict[str, Any], str]:
    github.pulls[7].head = scene.repo.git("rev-parse", "HEAD")
    github.pulls[7].base = scene.repo.git("rev-parse", "origin/main")
    runner = Runner(github, tmp_path / "runner")
    env = {
        **runner.env,
        "MLOPS_CI_GITHUB_TOKEN": "job-token",
        "MLOPS_CI_REPORT_DIR": str(tmp_path / "report"),
    }
    done = guarded.call("check", "--evidence", str(evidence), "--dry-run", env=env)
    (report,) = (tmp_path / "report").glob("*.json")
    (body,) = github.bodies(7)
    markdown = body + report.with_suffix(".md").read_text()
    assert not [active for active in ("](http://zq", "\n# zq", " @zq") if active in markdown]
    pages = markdown + report.with_suffix(".html").read_text()
    return done.code, done.err, json.loads(report.read_text()), pages


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_bundle_is_refused(
    name: str,
    scene: Scene,
    github: GitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bend, said, *rest = CASES[name]
    shutil.copytree(scene.evidence, tmp_path / "evidence")
    monkeypatch.setenv("CHAMPION_DIGEST", scene.champion)
    monkeypatch.setattr(frames, "MAX_ROWS", 2_000_000)
    for module in (frames, file_formats):
        monkeypatch.setattr(module, "MAX_BYTES", 40_000_000)
    bend(Bundle(tmp_path / "evidence" / folder_name("moons")))
    guarded = GuardedRepo(scene.repo, monkeypatch, capsys)
    code, log, report, pages = judged(scene, tmp_path / "evidence", github, tmp_path, guarded)

    assert code == (rest[0] if rest else 5), report["summary"]
    assert code == 3 or report["verdict"] == "error"  # held for approval: whatever its numbers say
    assert "Traceback" not in log
    whole = json.dumps(report, ensure_ascii=False) + report["headline"]
    assert said in whole, report["summary"]
    assert len(report["summary"]) < 3000
    assert "secret-of-a-row" not in pages
    assert "<script>zq" not in pages
    assert not [line for line in log.splitlines() if line.startswith("::error::zq")]


def test_there_are_at_least_sixty() -> None:
    assert len(CASES) + len(REPORTS) >= 60


def test_the_honest_bundle_is_judged(
    scene: Scene,
    github: GitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    guarded = GuardedRepo(scene.repo, monkeypatch, capsys)
    code, _, report, _ = judged(scene, scene.evidence, github, tmp_path, guarded)
    assert (code, report["verdict"]) == (1, "fail")


def test_what_a_bundle_says_of_itself_stays_text(
    scene: Scene,
    github: GitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(scene.evidence, tmp_path / "evidence")
    bundle = Bundle(tmp_path / "evidence" / folder_name("moons"))
    stage = {"name": FOREIGN, "command": FOREIGN, "params": {FOREIGN: FOREIGN}, "state": "ran"}
    lineage = bundle.manifest["lineage"] | {
        "git_commit": FOREIGN,
        "data": [{"path": FOREIGN, "checksum": FOREIGN}],
    }
    bundle.edit(
        notices=[FOREIGN], stages=[stage], lineage=lineage, drift_unread=FOREIGN, target_commit=FOREIGN
    )
    code, log, _, pages = judged(scene, tmp_path / "evidence", github, tmp_path, GuardedRepo(scene.repo, monkeypatch, capsys))  # fmt: skip
    assert code == 1
    assert "<script>zq" not in pages
    assert not [line for line in log.splitlines() if line.startswith("::error::zq")]


FINE = {"schema_version": 1, "command": "check", "model": "m", "verdict": "pass", "exit_code": 0}
REPORTS: dict[str, str] = {
    "no JSON": "{",
    "nothing": "",
    "null": "null",
    "a number": "7",
    "a list of numbers": "[1, 2]",
    "JSON 100,000 deep": "[" * 100_000,
    "a later version": json.dumps(FINE | {"schema_version": 2}),
    "an unknown verdict": json.dumps(FINE | {"verdict": "fine"}),
    "NaN": json.dumps(FINE | {"alpha": float("nan")}),
    "1e999": json.dumps(FINE).replace('"m"', '"m", "alpha": 1e999'),
    "a key twice": json.dumps(FINE).replace('"m"', '"m", "model": "n"'),
    "half a character": json.dumps(FINE | {"headline": "\ud800"}),
    "findings that are none": json.dumps(FINE | {"findings": [{"metric": 1}]}),
    "drift that is none": json.dumps(FINE | {"drift": {"columns": 3}}),
    "details that are none": json.dumps(FINE | {"details": [1]}),
    "notices of another level": json.dumps(FINE | {"notices": [{"text": "x", "level": "script"}]}),
}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_hostile_report_is_refused(name: str, form: str, guarded: GuardedRepo, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(REPORTS[name].encode("utf-8", "surrogatepass"))
    done = guarded.call("report", str(tmp_path / "report.json"), "--format", form)
    assert done.code == 5, done.out
    assert done.err.startswith("mlops-ci: ")
    assert "Traceback" not in done.err
    assert len(done.err) < 2000
