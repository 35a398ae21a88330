"""A small real DVC repository: three stages of plain Python, a local remote, a bare git origin.

Made once a test run by real `dvc repro` and `dvc push`, then copied; all its paths are relative.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mlops_ci.adapters.dvc.pipeline import DvcPipeline
from mlops_ci.adapters.git import GitRepository

DVC_YAML = """\
stages:
  prepare:
    cmd: python src/prepare.py
    deps: [data/raw.csv, src/prepare.py]
    outs: [data/prepared]
  train:
    cmd: python src/train.py
    deps: [data/prepared, src/train.py]
    params: [train.threshold]
    outs: [models]
  evaluate:
    cmd: python src/evaluate.py
    deps: [data/prepared, models, src/evaluate.py]
    outs: [reports/predictions.csv]
    metrics:
      - metrics.json:
          cache: false
"""

FILES = {
    "dvc.yaml": DVC_YAML,
    "params.yaml": "train:\n  threshold: 0.5\n",
    "requirements.txt": "scikit-learn==1.5.0\n",
    "README.md": "A project.\n",
    "src/prepare.py": """\
from pathlib import Path

header, *rows = Path("data/raw.csv").read_text().splitlines()
folder = Path("data/prepared")
folder.mkdir(exist_ok=True)
(folder / "train.csv").write_text("\\n".join([header, *rows[:100]]) + "\\n")
(folder / "test.csv").write_text("\\n".join([header, *rows[100:]]) + "\\n")
print("prepared", len(rows), "rows")
""",
    "src/train.py": """\
import json
from pathlib import Path

line = Path("params.yaml").read_text().splitlines()[1]
folder = Path("models")
folder.mkdir(exist_ok=True)
(folder / "model.json").write_text(json.dumps({"threshold": float(line.split(":")[1])}))
print("trained")
""",
    "src/evaluate.py": """\
import csv
import json
from pathlib import Path

threshold = json.loads(Path("models/model.json").read_text())["threshold"]
right = total = 0
Path("reports").mkdir(exist_ok=True)
with open("data/prepared/test.csv") as source, open("reports/predictions.csv", "w", newline="") as out:
    writer = csv.writer(out)
    writer.writerow(["id", "y_true", "y_pred"])
    for row in csv.DictReader(source):
        predicted = int(float(row["x"]) > threshold)
        right, total = right + (predicted == int(row["y"])), total + 1
        writer.writerow([row["id"], row["y"], predicted])
Path("metrics.json").write_text(json.dumps({"accuracy": right / total}) + "\\n")
print("evaluated")
""",
}


@dataclass
class Recorder:
    """A console that keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def info(self, text: str) -> None:
        self.lines.append(text)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        self.groups.append(title)
        yield

    def untrusted(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True)
class DvcRepo:
    """One checkout; `remote` is the DVC remote's directory beside it."""

    root: Path

    @property
    def remote(self) -> Path:
        return self.root.parent / "remote"

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=self.root,
            env={
                **os.environ,
                "PATH": search_path(),
                "DVC_NO_ANALYTICS": "1",
                "CI": "1",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run("git", *arguments).strip()

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text
        (self.root / path).write_text(text.replace(old, new))

    def commit(self, message: str = "change") -> str:
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")

    def push(self, branch: str = "main") -> None:
        self.git("push", "-q", "origin", f"HEAD:{branch}")

    def clone(self, name: str = "clone", *options: str) -> DvcRepo:
        """Clone the origin as CI does: no data, no cache."""
        target = self.root.parent / name
        origin = (self.root.parent / "origin.git").as_uri()
        subprocess.run(["git", "clone", "-q", *options, origin, str(target)], check=True, capture_output=True)
        cloned = DvcRepo(target)
        cloned.git("config", "user.email", "ada@example.org")
        cloned.git("config", "user.name", "Ada")
        return cloned

    def pipeline(self, console: Recorder | None = None, **options: object) -> DvcPipeline:
        """Return the adapter on this checkout, with this interpreter for the stages."""
        settings: dict[str, object] = {"python": Path(sys.executable), "timeout": 60, **options}
        return DvcPipeline(repository=GitRepository(self.root), console=console or Recorder(), **settings)  # type: ignore[arg-type]

    def stored(self, checksum: str) -> Path:
        """Return where the remote keeps an object."""
        return self.remote / "files" / "md5" / checksum[:2] / checksum[2:]


def search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def make_dvc_repo(folder: Path) -> DvcRepo:
    """Make the repository in an empty directory: `work` (with data and cache), `remote`, `origin.git`."""
    repo = DvcRepo(folder / "work")
    repo.root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "origin.git")], check=True)
    repo.git("init", "-q", "-b", "main")
    repo.git("config", "user.email", "ada@example.org")
    repo.git("config", "user.name", "Ada")
    repo.git("remote", "add", "origin", "../origin.git")
    for path, text in FILES.items():
        repo.write(path, text)
    # x in 0..1, y is x > 0.5 with some labels turned: a threshold of 0.5 is the best one.
    rows = [f"{i},{(i * 37 % 200) / 200},{int((i * 37 % 200 > 100) != (i % 9 == 0))}" for i in range(200)]
    repo.write("data/raw.csv", "\n".join(["id,x,y", *rows]) + "\n")
    # What `dvc init`, `dvc remote add`, `dvc add` and `dvc push` do, by hand: each call takes a second.
    repo.write(".dvc/config", "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../remote\n")
    repo.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    raw = (repo.root / "data/raw.csv").read_bytes()
    checksum = hashlib.md5(raw).hexdigest()
    repo.write(
        "data/raw.csv.dvc", f"outs:\n- md5: {checksum}\n  size: {len(raw)}\n  hash: md5\n  path: raw.csv\n"
    )
    repo.write("data/.gitignore", "/raw.csv\n")
    repo.write(f".dvc/cache/files/md5/{checksum[:2]}/{checksum[2:]}", raw.decode())
    repo.dvc("repro", "-q")
    shutil.copytree(repo.root / ".dvc/cache/files", repo.remote / "files")
    repo.commit("A pipeline")
    repo.push()
    repo.git("fetch", "-q", "origin")
    return repo


def copy_dvc_repo(template: DvcRepo, folder: Path) -> DvcRepo:
    """Copy a whole repository, with its origin, remote and cache."""
    shutil.copytree(template.root.parent, folder, symlinks=True, dirs_exist_ok=True)
    return DvcRepo(folder / template.root.name)
