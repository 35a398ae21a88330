"""A repository with a champion and judged candidates, and runs of the verbs that can be killed anywhere."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dvc_repo import DvcRepo

from mlops_ci.adapters.data.evaluations import EvaluationFiles
from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.dvc.pipeline import DvcPipeline
from mlops_ci.adapters.files import LocalFiles
from mlops_ci.adapters.forges.terminal import TerminalConsole, TerminalForge
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.judgements import read_judgement
from mlops_ci.adapters.ledger import GitLedger
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.adapters.ports import PipelineRun
from mlops_ci.commands.adopt import Known, adopt_pipeline, adopt_version
from mlops_ci.commands.check import check
from mlops_ci.commands.environments import Origin, promote_from
from mlops_ci.commands.lineage import lineage
from mlops_ci.commands.promote import promote
from mlops_ci.commands.promote_report import AS_JUDGED, Confirmation
from mlops_ci.commands.reconcile import reconcile
from mlops_ci.commands.reproduce import reproduce
from mlops_ci.commands.rollback import rollback
from mlops_ci.commands.tools import Tools
from mlops_ci.core.ledger import History
from mlops_ci.core.ledger_state import state_of
from mlops_ci.core.report import Approval, Report, Source
from mlops_ci.errors import ServiceError
from mlops_ci.settings import Settings, in_environment, read_settings

MODEL = "classifier"
SETTINGS = """\
registry: {model: classifier}
pipeline: {targets: [evaluate]}
candidate: {model: models}
evaluation: {predictions: reports/predictions.csv, score: null}
metrics:
  accuracy: {margin: 0.1}
promotion:
  deploy_command: 'echo "$MLOPS_CI_MODEL_VERSION" >> deployed.txt'
  probe_command: 'tail -n 1 deployed.txt'
  probe_timeout: 0
"""


class Present(DvcPipeline):
    """A pipeline whose outputs are here already: nothing has to run to gather them."""

    def reproduce(self, mode: Any, targets: Any, needed: Any = ()) -> PipelineRun:
        return self.describe(targets)


@dataclass
class Effects:
    """Counts every effect on the outside; kills the process right after one of them."""

    kill_after: int | None = None
    log: list[str] = field(default_factory=list)

    def happened(self, what: str) -> None:
        self.log.append(what)
        if len(self.log) == self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)


READS = ("get_", "search_", "list_", "download_", "tracking_uri")


class CountedClient:
    """An MLflow client: whatever is not known to read only counts as an effect."""

    def __init__(self, client: Any, effects: Effects) -> None:
        self._client = client
        self._effects = effects

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found) or name.startswith(READS):
            return found

        def called(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            self._effects.happened(f"mlflow {name} {args[1] if len(args) > 1 else ''}")
            return result

        return called


class CountedLedger(GitLedger):
    """A ledger whose pushes count."""

    effects: Effects

    def _push(self, commit: str) -> str:
        said = super()._push(commit)
        self.effects.happened("git push")
        return said


@dataclass(frozen=True)
class Story:
    """One checkout on main, its origin, its registry (sqlite or a server), and runs of our verbs in it."""

    repo: DvcRepo
    tracking_uri: str = "sqlite:///mlflow.db"
    settings_text: str = SETTINGS
    actor: str = "ada"
    ledger_url: str | None = None
    environment: str | None = None

    @property
    def origin(self) -> Path:
        return self.repo.root.parent / "origin.git"

    @property
    def settings(self) -> Settings:
        found = read_settings(self.settings_text.encode(), "mlops-ci.yaml")[0]
        return in_environment(found, self.environment) if self.environment else found

    def registry(self, effects: Effects | None = None) -> MlflowRegistry:
        own = self.settings.registry.tracking_uri
        registry = MlflowRegistry(own or self.tracking_uri, root=self.repo.root)
        if effects is not None:
            connect = registry._connection._connect
            registry._connection._connect = lambda: CountedClient(connect(), effects)  # type: ignore[method-assign]
        return registry

    def ledger(self, folder: Path, effects: Effects | None = None) -> GitLedger:
        branch = self.settings.promotion.ledger_branch
        ledger = CountedLedger(self.ledger_url or str(self.origin), folder, branch=branch)
        ledger.effects = effects or Effects()
        return ledger

    def tools(self, scratch: Path, effects: Effects | None = None, **changes: Any) -> Tools:
        effects = effects or Effects()
        scratch.mkdir(parents=True, exist_ok=True)
        repository = GitRepository(self.repo.root)
        console = TerminalConsole(stream=io.StringIO())
        frames = TableReader()

        def operate(command: str, variables: Any) -> str:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=self.repo.root.parent,
                env={**os.environ, **variables},
                capture_output=True,
                text=True,
                check=False,
            )
            effects.happened(f"command {command[:20]}")
            if done.returncode:
                raise ServiceError("deployment", f"ended with {done.returncode}")
            return done.stdout

        registry, ledger = self.registry(effects), self.ledger(scratch / "ledger.git", effects)
        values: dict[str, Any] = {
            "root": self.repo.root,
            "scratch": scratch,
            "repository": repository,
            "forge": TerminalForge(repository, console=console),
            "console": console,
            "frames": frames,
            "files": LocalFiles(),
            "evaluations": EvaluationFiles(frames),
            "registry": lambda: registry,
            "pipeline": lambda: Present(repository=repository, console=console),
            "ledger": lambda: ledger,
            "read_judgement": read_judgement,
            "operate": operate,
            "actor": self.actor,
        }
        return Tools(**(values | changes))

    def source(self, tools: Tools) -> Source:
        return tools.forge.source()

    # What a team does

    def change(self, threshold: float, *, branch: str | None = None) -> str:
        """Commit another threshold, with the stages run, on a new branch or here; return the commit."""
        if branch:
            self.repo.git("switch", "-q", "-c", branch)
        self.repo.write("params.yaml", f"train:\n  threshold: {threshold}\n")
        for stage in ("train", "evaluate"):
            self.repo.run(sys.executable, f"src/{stage}.py")
        return self.repo.commit(f"threshold {threshold}")

    def squash(self, branch: str) -> str:
        """Merge a branch into main as one commit of another SHA, and push."""
        self.repo.git("switch", "-q", "main")
        self.repo.git("merge", "-q", "--squash", branch)
        commit = self.repo.commit(f"{branch} (#7)")
        self.repo.push()
        return commit

    # Our verbs

    def adopt(self) -> Report:
        with scratch() as folder:
            tools = self.tools(folder)
            source = self.source(tools)
            return adopt_pipeline(self.settings, tools, source, reproduce(self.settings, tools, source))

    def check(self, *, reasons: tuple[str, ...] = (), approval: Approval | None = None) -> Report:
        with scratch() as folder:
            tools = self.tools(folder)
            source = self.source(tools)
            if approval is not None:
                tools = replace(tools, forge=Approving(approval, source))
            evidence = reproduce(self.settings, tools, source)
            return check(self.settings, tools, evidence, source, approvals=reasons)

    def promote(
        self, effects: Effects | None = None, word: Confirmation = AS_JUDGED, **options: Any
    ) -> Report:
        with scratch() as folder:
            tools = self.tools(folder, effects, **options.pop("tools", {}))
            return promote(self.settings, tools, self.source(tools), word, **options)

    def promote_from(self, origin: Story, word: Confirmation = AS_JUDGED, **options: Any) -> Report:
        with scratch() as folder:
            there = Origin(settings=origin.settings, tools=origin.tools(folder / "from"))
            tools = self.tools(folder, options.pop("effects", None))
            return promote_from(there, self.settings, tools, self.source(tools), word, **options)

    def rollback(self, effects: Effects | None = None, **options: Any) -> Report:
        with scratch() as folder:
            tools = self.tools(folder, effects)
            return rollback(self.settings, tools, self.source(tools), **options)

    def reconcile(self, **options: Any) -> Report:
        with scratch() as folder:
            tools = self.tools(folder)
            return reconcile(self.settings, tools, self.source(tools), **options)

    def adopt_version(self, version: str) -> Report:
        with scratch() as folder:
            tools = self.tools(folder)
            return adopt_version(self.settings, tools, self.source(tools), Known(version=version))

    def lineage(self, query: str | None = None, **options: Any) -> Report:
        with scratch() as folder:
            tools = self.tools(folder)
            return lineage(self.settings, tools, self.source(tools), query, **options)

    # What became of it

    def history(self) -> History:
        with scratch() as folder:
            return self.ledger(folder / "ledger.git").read(self.settings.registry.model)

    def aliases(self) -> dict[str, str]:
        return dict(self.registry().aliases(self.settings.registry.model))

    def state(self) -> dict[str, Any]:
        """Return all that has to agree, as plain values."""
        history = self.history()
        state = state_of(history)
        deployed = self.repo.root.parent / "deployed.txt"
        return {
            "aliases": self.aliases(),
            "champion": state.champion,
            "previous": state.previous,
            "open": state.open is not None,
            "versions": sorted(c.ref.version or "" for c in self.registry().history(MODEL)),
            "events": [f"{e.event} {e.phase} {e.to_version}" for e in history.entries],
            "deployed": deployed.read_text().split()[-1] if deployed.exists() else None,
        }


@dataclass(frozen=True)
class Approving:
    """A forge on which one approval was given for the head of a pull request."""

    approval: Approval
    head: Source

    def pull_request(self) -> Any:
        from mlops_ci.adapters.ports import PullRequest

        return PullRequest(number=7, author="eve", head=self.head.head, base="", target="main")

    def approvals(self, change: Any) -> list[Approval]:
        return [self.approval]


class scratch:  # noqa: N801 (used like a function)
    """A folder that is gone afterwards."""

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="mlops-ci-test-")
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def story_with_candidate(repo: DvcRepo, database: Path, **values: Any) -> Story:
    """Return a story in which version 1 is the champion and a judged candidate was squashed into main."""
    story = Story(repo, **values)
    if story.tracking_uri.startswith("sqlite"):
        shutil.copy(database, repo.root / "mlflow.db")
    repo.write(".gitignore", "/mlflow.db\n/mlruns/\n" + (repo.root / ".gitignore").read_text())
    repo.write("mlops-ci.yaml", story.settings_text)
    story.change(0.45)
    repo.push()
    story.adopt()
    story.change(0.5, branch="better")
    assert story.check().exit_code == 0
    story.squash("better")
    return story


def in_child(function: Callable[[], Any], *, may_die: bool = False) -> Any:
    """Run a function in a process of its own and return its result (JSON), or None if it was killed."""
    with tempfile.TemporaryFile() as answer:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                answer.write(json.dumps(function()).encode())
                answer.flush()
                code = 0
            except BaseException:  # noqa: BLE001 (a child process, ends here)
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        if may_die and os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return None
        assert status == 0, "the child failed, see above"
        answer.seek(0)
        return json.loads(answer.read())


def copy_story(template: Story, folder: Path) -> Story:
    """Copy a story; its database names artifacts by absolute paths, which are set right."""
    from mlflow.tracking._tracking_service import utils

    # MLflow remembers where a run's artifacts are: by run alone, as if there were one registry.
    utils._artifact_repos_cache.clear()
    old = template.repo.root.parent
    shutil.copytree(old, folder, symlinks=True)
    with contextlib.closing(sqlite3.connect(folder / "work" / "mlflow.db")) as database:
        for table, column in (
            ("experiments", "artifact_location"),
            ("runs", "artifact_uri"),
            ("model_versions", "source"),
            ("model_versions", "storage_location"),
        ):
            statement = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            database.execute(statement, (str(old), str(folder)))
        database.commit()
    return replace(template, repo=DvcRepo(folder / "work"))
