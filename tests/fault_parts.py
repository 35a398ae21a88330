"""Check, promote and rollback between services that break: what is asked for, and what comes of each fault."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dvc_repo import DvcRepo, copy_dvc_repo, search_path
from fakes.fault_proxy import Fault, FaultProxy, make_certificates
from fakes.git_server import GitServer
from fakes.github import GitHub
from fakes.runner import Runner
from mlflow.store.artifact.s3_artifact_repo import _cached_get_s3_client
from mlflow_parts import Server
from promotion_parts import SETTINGS, Story, scratch, story_with_candidate
from real_parts import s3_environment

from mlops_ci.adapters import http, ledger
from mlops_ci.adapters.dvc import remote
from mlops_ci.adapters.dvc.pipeline import DvcPipeline
from mlops_ci.adapters.forges.terminal import TerminalConsole
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.mlflow import s3 as store_s3
from mlops_ci.commands.check import check
from mlops_ci.commands.error_report import could_not_tell
from mlops_ci.commands.reproduce import reproduce
from mlops_ci.core.ledger_state import state_of
from mlops_ci.errors import MlopsCiError, ServiceError
from mlops_ci.render import FORMS, render

VERBS = ("check", "promote", "rollback")
SERVICES = ("mlflow", "forge", "git", "s3")
NAMES = {
    "mlflow": ("MLflow",),
    "forge": ("GitHub",),
    "git": ("the ledger", "git"),
    "s3": ("DVC remote", "artifact store"),
}
RIGHT = {"check": 1, "promote": 0, "rollback": 0}
"""Exit codes without a fault: the check is of a worse model."""
# A stated share of the real patience, so that a run of hundreds of cases takes minutes.
IMPATIENT = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    code
        Exit code as a user would see it.
    said
        The headline, or the error's words.
    problems
        What must not be; empty where all is well.
    """

    verb: str
    service: str
    request: str
    fault: Fault
    code: int
    said: str
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass
class World:
    """MLflow, a forge, a git server, perhaps S3, each behind a proxy, and a story that is copied for each case."""

    folder: Path
    server: Server
    proxies: dict[str, FaultProxy]
    github: GitHub
    templates: dict[str, Story]
    store: Store
    patient: bool = False
    numbers: Iterator[int] = field(default_factory=itertools.count)
    last: Path | None = None

    def clean(self, verb: str) -> dict[str, list[str]]:
        """Run a verb without a fault; return what each service was asked."""
        outcome = self.run(verb, "mlflow", None)
        assert not outcome.problems, outcome
        assert outcome.code == RIGHT[verb], outcome
        return {name: list(proxy.seen) for name, proxy in self.proxies.items()}

    def run(self, verb: str, service: str, fault: Fault | None) -> Outcome:
        """Run a verb with a fault in one service, then look at all there is."""
        story = self._fresh(verb)
        for name, proxy in self.proxies.items():
            proxy.arm(fault if name == service else None)
        start = time.monotonic()
        code, said = self._carry_out(verb, story)
        took = time.monotonic() - start
        seen = {name: list(proxy.seen) for name, proxy in self.proxies.items()}
        for proxy in self.proxies.values():
            proxy.arm()
        problems = self._judged(verb, service, story, code, said)
        for name, proxy in self.proxies.items():
            proxy.seen = seen[name]
        at = fault.at if fault else 0
        request = seen[service][at] if at < len(seen[service]) else "-"
        return Outcome(
            verb, service, request, fault or Fault("none", 0, 0), code, said, took, tuple(problems)
        )

    def _fresh(self, verb: str) -> Story:
        """Return a copy of the story for a verb; the server's database becomes what it was."""
        template = self.templates[verb]
        folder = self.folder / f"case-{next(self.numbers)}"
        shutil.copytree(template.repo.root.parent, folder, symlinks=True)
        if self.last is not None:
            shutil.rmtree(self.last, ignore_errors=True)
        self.last = folder
        with (
            contextlib.closing(sqlite3.connect(self.folder / f"{verb}.db")) as kept,
            contextlib.closing(sqlite3.connect(self.server.folder / "server.db", timeout=30)) as live,
        ):
            kept.backup(live)
        self.store.restore()
        git = folder.relative_to(self.folder)
        ledger_url = f"{self.proxies['git'].url.rstrip('/')}/{git}/origin.git"
        self.github.comments.clear()
        return replace(
            template,
            repo=DvcRepo(folder / "work"),
            tracking_uri=self.proxies["mlflow"].url,
            ledger_url=ledger_url,
        )

    def _carry_out(self, verb: str, story: Story) -> tuple[int, str]:
        try:
            if verb == "check":
                return self._check(story)
            report = story.promote() if verb == "promote" else story.rollback(reason="alarms")
        except MlopsCiError as error:
            return error.exit_code, str(error)
        except Exception as error:  # noqa: BLE001 (a crash is an outcome)
            return 70, f"crashed: {error!r}"
        return report.exit_code, report.headline

    def _check(self, story: Story) -> tuple[int, str]:
        """Check as the command line does on GitHub: announce, judge, publish."""
        pull = self.github.pulls[7]
        pull.head, pull.base = story.repo.git("rev-parse", "HEAD"), story.repo.git("rev-parse", "origin/main")
        runner = Runner(self.github, story.repo.root.parent / "runner", api=self.proxies["forge"].url)
        forge = runner.forge(sleep=time.sleep if self.patient else lambda _: None)
        with scratch() as folder:
            tools = self._tools(story, folder, forge)
            source = replace(forge.source(), target="main", base=pull.base)
            try:
                forge.announce("Checking.", key="check classifier")
                report = check(story.settings, tools, reproduce(story.settings, tools, source), source)
            except MlopsCiError as error:
                report = could_not_tell("classifier", error, source)
            rendered = {form: render(report, form, {}) for form in FORMS}
            try:
                forge.publish(report, rendered, key="check classifier")
            except MlopsCiError as error:
                return error.exit_code, str(error)
        said = f"{report.headline} {report.summary}" if report.exit_code != 1 else report.headline
        return report.exit_code, said

    def _tools(self, story: Story, folder: Path, forge: Any) -> Any:
        """Return the tools of a check; with S3 its outputs come from there, by our own pipeline."""
        if "s3" not in self.proxies:
            return story.tools(folder, forge=forge)
        environment = {**os.environ, "PATH": search_path()}
        pipeline = DvcPipeline(
            repository=GitRepository(story.repo.root),
            console=TerminalConsole(stream=io.StringIO()),
            environ=environment,
            python=Path(sys.executable),
            timeout=3600 if self.patient else 120,
        )
        return story.tools(folder, forge=forge, pipeline=lambda: pipeline)

    def _judged(self, verb: str, service: str, story: Story, code: int, said: str) -> list[str]:
        """Return what is wrong with an outcome, after the next run has had its chance to finish things."""
        problems = []
        right = RIGHT[verb]
        if code not in (right, ServiceError.exit_code):
            problems.append(f"exit {code}: {said}")
        if code == ServiceError.exit_code and not any(name in said for name in NAMES[service]):
            problems.append(f"does not name the service: {said}")
        calm = replace(story, tracking_uri=self.server.uri, ledger_url=str(story.origin))
        if verb == "check":
            wrong = [b for b in self.github.bodies(7) if "makes the model worse" not in b and code == 1]
            # A comment that could not be written is no wrong verdict: the job's exit code is the gate.
            problems += [f"comment: {body[:80]}" for body in wrong if service != "forge"]
            passing = [b for b in self.github.bodies(7) if "safe to merge" in b.lower()]
            problems += ["a comment says that it may be merged"] if passing else []
            problems += [] if calm.aliases() == {"champion": "1"} else [f"aliases {calm.aliases()}"]
            return problems
        before, after = ("1", "2") if verb == "promote" else ("2", "1")
        calm.reconcile(merged=False)
        history, aliases = calm.history(), calm.aliases()
        state = state_of(history)
        if aliases.get("champion") not in (before, after) or (
            history.entries and state.champion != aliases["champion"]
        ):
            problems.append(f"half a state: ledger {state.champion}, aliases {aliases}")
        if state.open is not None:
            problems.append("something is still open")
        if code == right and aliases.get("champion") != after:
            problems.append("reported as done, and is not")
        if verb == "promote":
            done = calm.promote()
            versions = [one.ref.version for one in calm.registry().history("classifier")]
            if done.exit_code or calm.aliases()["champion"] != "2" or len(versions) != 2:
                problems.append(f"the next promote: {done.headline}, versions {versions}")
        return problems


class Store:
    """Where MLflow's artifacts are, and how it becomes again what it was: a folder, or a bucket on S3."""

    def __init__(self, folder: Path, client: Any = None) -> None:
        self.folder, self.client = folder, client
        self.kept = self._found()

    def _found(self) -> set[str]:
        if self.client is None:
            return {str(path) for path in self.folder.rglob("*") if path.is_file()}
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
        return {one["Key"] for page in pages for one in page.get("Contents", ())}

    def restore(self) -> None:
        """Remove what a case has added: what the next one uploads must not be there already."""
        for name in self._found() - self.kept:
            if self.client is None:
                Path(name).unlink()
            else:
                self.client.delete_object(Bucket="mlflow", Key=name)


@contextlib.contextmanager
def impatient(seconds: float = 1.0) -> Iterator[None]:
    """Shorten all patience to so many seconds a request: the tries stay as many, but for MLflow's."""
    try:
        from botocore.config import Config
    except ImportError:  # only the end-to-end suite has an S3 store
        of_boto: dict[str, Any] = {}
    else:
        of_boto = Config.OPTION_DEFAULTS
    before = dict(os.environ)
    kept = http.READ_TIMEOUT, ledger._TIMEOUT, ledger.time, remote.PATIENCE
    kept_s3 = store_s3.PATIENCE
    timeouts = {name: of_boto[name] for name in ("connect_timeout", "read_timeout") if name in of_boto}
    os.environ.update(IMPATIENT | {"MLFLOW_HTTP_REQUEST_TIMEOUT": f"{seconds:.0f}"})
    http.READ_TIMEOUT, ledger._TIMEOUT, remote.PATIENCE = seconds, round(2 * seconds), 20.0 * seconds
    store_s3.PATIENCE = 10.0 * seconds
    ledger.time = SimpleNamespace(sleep=lambda _: None)  # type: ignore[assignment]
    of_boto.update(dict.fromkeys(timeouts, seconds))
    _cached_get_s3_client.cache_clear()
    try:
        yield
    finally:
        http.READ_TIMEOUT, ledger._TIMEOUT, ledger.time, remote.PATIENCE = kept  # type: ignore[assignment]
        store_s3.PATIENCE = kept_s3
        of_boto.update(timeouts)
        _cached_get_s3_client.cache_clear()
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def world(
    folder: Path,
    server: Server,
    dvc_template: DvcRepo,
    *,
    tls: bool = False,
    s3: int | None = None,
    patient: bool = False,
) -> Iterator[World]:
    """Make the templates on a real server, and put proxies before all services.

    Parameters
    ----------
    s3
        Port of an S3 store: DVC's remote is there, and the artifacts of the server's runs, which its clients
        fetch and send themselves.
    patient
        True for services that hang as long as users' patience lasts, which is not shortened.
    """
    options: dict[str, Any] = {"delay": 5000 if patient else 2.5}
    with contextlib.ExitStack() as stack:
        if tls:
            options["certificates"] = make_certificates(folder)
            stack.enter_context(_environment(_trusting(folder / "authority.pem")))
        client = None
        proxies = {}
        if s3 is not None:
            proxies["s3"] = stack.enter_context(FaultProxy(f"http://127.0.0.1:{s3}", **options))
            stack.enter_context(
                _environment(s3_environment(s3) | {"MLFLOW_S3_ENDPOINT_URL": proxies["s3"].url})
            )
            import boto3

            client = boto3.session.Session().client("s3", endpoint_url=f"http://127.0.0.1:{s3}")
        templates = _templates(folder, server, dvc_template, proxies.get("s3"), patient=patient)
        git = stack.enter_context(GitServer(folder, writers=[""]))
        github = stack.enter_context(GitHub())
        github.add_pull(7, "0" * 40, branch="worse", target="main")
        upstream = {"mlflow": server.uri, "git": git.url, "forge": github.url}
        proxies |= {name: stack.enter_context(FaultProxy(url, **options)) for name, url in upstream.items()}
        store = Store(server.folder / "artifacts", client)
        yield World(folder, server, proxies, github, templates, store, patient)


def _templates(
    folder: Path, server: Server, dvc_template: DvcRepo, s3: FaultProxy | None, *, patient: bool
) -> dict[str, Story]:
    """Make a story for each verb, and keep the server's database as it is before it."""
    repo = copy_dvc_repo(dvc_template, folder / "promote")
    values = {}
    if s3 is not None:
        config = "[core]\n    remote = store\n['remote \"store\"']\n    url = s3://dvc/data\n"
        config += f"    endpointurl = {s3.url}\n"
        config += "" if patient else "    read_timeout = 1\n    connect_timeout = 1\n"
        repo.write(".dvc/config", config)
        values["settings_text"] = SETTINGS.replace("pipeline: {", "pipeline: {reproduce: pull, ")
    story = story_with_candidate(repo, Path(), tracking_uri=server.uri, **values)
    _keep(server, folder / "promote.db")
    promoted = replace(story, repo=_copied(story, folder / "rollback"))
    promoted.promote()
    _keep(server, folder / "rollback.db")
    _restore(server, folder / "promote.db")
    worse = replace(story, repo=_copied(story, folder / "check"))
    worse.change(0.95, branch="worse")
    if s3 is not None:
        # What DVC's lock names is on S3 alone, as for a runner.
        worse.repo.dvc("commit", "-q", "-f")
        worse.repo.commit("dvc.lock")
        worse.repo.dvc("push", "-q")
        for path in (".dvc/cache", ".dvc/tmp", "models", "reports", "data/prepared", "data/raw.csv"):
            place = worse.repo.root / path
            place.unlink() if place.is_file() else shutil.rmtree(place, ignore_errors=True)
    _keep(server, folder / "check.db")
    return {"promote": story, "rollback": promoted, "check": worse}


def _trusting(authority: Path) -> dict[str, str]:
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")
    return dict.fromkeys(names, str(authority))


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def _copied(story: Story, folder: Path) -> DvcRepo:
    shutil.copytree(story.repo.root.parent, folder, symlinks=True)
    return DvcRepo(folder / "work")


def _keep(server: Server, place: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(server.folder / "server.db", timeout=30)) as live,
        contextlib.closing(sqlite3.connect(place)) as kept,
    ):
        live.backup(kept)


def _restore(server: Server, place: Path) -> None:
    with (
        contextlib.closing(sqlite3.connect(place)) as kept,
        contextlib.closing(sqlite3.connect(server.folder / "server.db", timeout=30)) as live,
    ):
        kept.backup(live)
