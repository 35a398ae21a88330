"""Runs real workflows through act: no Docker, no network, a runner that is GitHub's as far as act goes.

`Hub` is a repository on a `fakes.github.GitHub`: a bare git remote with the refs that GitHub keeps
for pull requests. `Hub.run` runs one of its workflows as an event would start it, on this machine's
user, with a home and a workspace of its own; actions come from this machine (`STAND_INS`, and what
the caller names). Set up with ``tests/end_to_end/setup.sh``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes.github import GitHub

STAND_INS = Path(__file__).parents[2] / ".cache" / "end_to_end" / "actions"
# Certificates, package indexes and caches of this machine; nothing else of its environment gets in.
PASSED_ON = re.compile(
    r"(SSL_CERT_FILE|SSL_CERT_DIR|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|NODE_EXTRA_CA_CERTS|UV_(?!PROJECT).*|PIP_.*|.*_PROXY)",
    re.IGNORECASE,
)


# Reusable workflows of ours, whose own actions need stand-ins too.
REUSABLE = ("gate", "promote", "canary", "monitor", "retrain")
CALLED = tuple(f".github/workflows/{name}.yml" for name in REUSABLE)


def calling(name: str, permissions: str, *given: str, on: str = "[schedule, repository_dispatch]") -> str:
    """Return a workflow that calls a reusable one of ours; `given` are its inputs, a line each."""
    lines = ["name: calling", f"on: {on}", "jobs:", "  call:", f"    permissions: {permissions}"]
    lines += [f"    uses: OWNER/mlops-ci/.github/workflows/{name}.yml@REF", "    with:"]
    return "\n".join([*lines, *(f"      {one}" for one in given), ""])


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A line beside the run."""

    level: str
    title: str
    text: str


@dataclass(kw_only=True)
class Step:
    """One step of one job; `outputs` are those of its inner steps where it is a composite action."""

    job: str
    id: str
    name: str
    result: str = "skipped"
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    annotations: list[Annotation] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a workflow run left: `exit_code` is 0 where all jobs passed."""

    exit_code: int
    jobs: Mapping[str, str]
    steps: list[Step]
    raw: str

    def step(self, job: str, id_or_name: str) -> Step:
        """Return a step by its id, its place (``"0"``), or a part of its name."""
        ours = [step for step in self.steps if step.job == job]
        for step in ours:
            if step.id == id_or_name:
                return step
        named = [step for step in ours if id_or_name in step.name]
        assert named, f"no step {id_or_name!r} in job {job!r}, only {[(s.id, s.name) for s in ours]}"
        return named[0]

    @property
    def summary(self) -> str:
        """The job summaries, in the order of the steps."""
        return "".join(step.summary for step in self.steps)

    @property
    def log(self) -> str:
        """All that was printed."""
        return "".join(f"--- {step.job} / {step.name}\n{step.log}" for step in self.steps)


class Hub:
    """A repository on GitHub: git refs here, pull requests and comments in the fake.

    Parameters
    ----------
    folder
        Gets the bare remotes, working copies, and one home a run.
    github
        The fake that runs talk to.
    """

    def __init__(self, folder: Path, github: GitHub) -> None:
        self.folder, self.github = folder, github
        self.remotes = folder / "remotes"
        self.remote = self.remotes / f"{github.repository}.git"
        self.runs = 1_000
        _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))

    def commit(
        self,
        files: Mapping[str, str | bytes | None] | Path,
        *,
        branch: str = "main",
        start: str = "main",
        message: str = "change",
    ) -> str:
        """Commit files (None deletes one), or all of a folder's, on a branch, and push; return the SHA."""
        copy = self.folder / "editing"
        if not copy.exists():
            _git(self.folder, "clone", "--quiet", str(self.remote), str(copy))
        _git(copy, "fetch", "--quiet", "--prune", "origin")
        known = _git(copy, "branch", "--remotes", "--format=%(refname:short)").split()
        if known:
            base = f"origin/{branch}" if f"origin/{branch}" in known else f"origin/{start}"
            _git(copy, "checkout", "--quiet", "--force", "-B", branch, base)
        if isinstance(files, Path):
            shutil.copytree(files, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        else:
            for name, content in files.items():
                _write(copy / name, content)
        _git(copy, "add", "--all", "--force" if not isinstance(files, Path) else "--all")
        _git(copy, "commit", "--quiet", "--allow-empty", "--message", message)
        _git(copy, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        head = _git(copy, "rev-parse", "HEAD")
        for pull in self.github.pulls.values():
            if pull.branch == branch and pull.head_repository == self.github.repository:
                self._update_refs(pull.number, head)
        return head

    def open_pull(
        self, number: int, branch: str, *, author: str = "ada", target: str = "main", fork: str = ""
    ) -> None:
        """Open a pull request for a branch; later commits on the branch move it.

        With `fork` (``owner/name``) the branch is that repository's: this one keeps the pull request's refs alone.
        """
        head = _git(self.remote, "rev-parse", f"refs/heads/{branch}")
        lives_in = {"head_repository": fork} if fork else {}
        self.github.add_pull(number, head, author=author, branch=branch, target=target, **lives_in)
        self._update_refs(number, head)
        if fork:
            _git(self.remote, "update-ref", "-d", f"refs/heads/{branch}")

    def finished(self, number: int, run_id: int, *, event: str = "pull_request") -> dict[str, Any]:
        """Return the payload of the ``workflow_run`` that follows a pull request's run."""
        pull = self.github.pulls[number]
        started_by = {
            "id": run_id,
            "event": event,
            "conclusion": "success",
            "head_sha": pull.head,
            "head_branch": pull.branch,
            "head_repository": {"full_name": pull.head_repository},
            "pull_requests": [],  # as for forks
        }
        return self.event("workflow_run", workflow_run=started_by)

    def _update_refs(self, number: int, head: str) -> None:
        """Keep ``refs/pull/N/head`` and ``refs/pull/N/merge``, as GitHub does."""
        pull = self.github.pulls[number]
        pull.head = head
        pull.base = _git(self.remote, "rev-parse", f"refs/heads/{pull.target}")
        tree = _git(self.remote, "merge-tree", "--write-tree", pull.base, head).splitlines()[0]
        text = f"Merge {head} into {pull.base}"
        merge = _git(self.remote, "commit-tree", tree, "-p", pull.base, "-p", head, "-m", text)
        _git(self.remote, "update-ref", f"refs/pull/{number}/head", head)
        _git(self.remote, "update-ref", f"refs/pull/{number}/merge", merge)

    def event(self, name: str, number: int | None = None, **more: Any) -> dict[str, Any]:
        """Return an event's payload, cut to what it surely has."""
        owner, repository = self.github.repository.split("/")
        payload: dict[str, Any] = {
            "repository": {
                "full_name": self.github.repository,
                "name": repository,
                "owner": {"login": owner},
                "default_branch": "main",
            },
            **more,
        }
        if number is not None:
            pull = self.github.pulls[number]
            payload["number"] = number
            payload["pull_request"] = {
                "number": number,
                "user": {"login": pull.author},
                "head": {"sha": pull.head, "ref": pull.branch, "repo": {"full_name": pull.head_repository}},
                "base": {
                    "sha": pull.base,
                    "ref": pull.target,
                    "repo": {"full_name": self.github.repository},
                },
            }
        elif name == "push":
            payload |= {"ref": "refs/heads/main", "after": _git(self.remote, "rev-parse", "main")}
        return payload

    def run(
        self,
        workflow: str,
        *,
        event: str = "pull_request",
        number: int | None = None,
        payload: Mapping[str, Any] | None = None,
        actions: Mapping[str, Path] | None = None,
        env: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        python: Path | None = None,
        keep_artifacts: bool = False,
        run_id: int | None = None,
        attempt: int = 1,
        keep: bool = False,
        timeout: float = 300.0,
    ) -> Run:
        """Run a workflow file of the repository, as the event on it would.

        Parameters
        ----------
        workflow
            Path in the repository, read at the commit that the event runs on.
        number
            The pull request of the event.
        actions
            Folder of each further action by its ``owner/name@ref`` in the workflow. Of a stand-in
            any ref is taken.
        variables, secrets
            ``vars.X``, and ``secrets.X`` beside the job's token.
        python
            Folder of the interpreter that ``actions/setup-python`` gives; none changes PATH not at all.
        keep_artifacts
            Hand the run's artifacts to the GitHub, whose API gives them to a later run.
        run_id, attempt
            Of the run; each run gets a higher id unless told.
        keep
            Leave what act leaves, for a test to read files that outputs name: workspace and
            RUNNER_TEMP of jobs that failed. Those of jobs that passed act removes itself.
        timeout
            Seconds until all is killed.
        """
        self.runs += 1
        home = self.folder / "runs" / f"{run_id or self.runs}-{attempt}-{self.runs}"
        # act's server breaks the connection where a run has no artifact yet.
        (home / "artifacts" / str(run_id or self.runs)).mkdir(parents=True)
        on_pull = number is not None and event == "pull_request"
        ref = f"refs/pull/{number}/merge" if on_pull else "refs/heads/main"
        copy = home / "repository"
        _git(home, "clone", "--quiet", "--no-checkout", str(self.remote), str(copy))
        _git(copy, "fetch", "--quiet", "origin", f"{ref}:refs/run")
        # act takes GITHUB_SHA from where it stands, and GITHUB_REF from the event or the branch.
        branch = ["--detach"] if on_pull else ["-B", "main"]
        _git(copy, "checkout", "--quiet", *branch, "refs/run")
        (home / "event.json").write_text(json.dumps(payload or self.event(event, number)))
        given = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": self.github.repository,
            "GITHUB_RUN_ID": str(run_id or self.runs),
            "GITHUB_RUN_ATTEMPT": str(attempt),
            "GITHUB_ACTOR": self.github.pulls[number].author if number is not None else "ada",
            # act gives steps a terminal, GitHub's runner does not: nothing may wait for a key.
            "PAGER": "cat",
            "GIT_PAGER": "cat",
            "STAND_IN_REMOTES": str(self.remotes),
            **({"STAND_IN_PYTHON": str(python)} if python else {}),
            **{key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key)},
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            **(env or {}),
        }
        command = [_act(), event, "--json", "--no-skip-checkout", "--no-cache-server"]
        command += ["-W", workflow, "-e", str(home / "event.json"), "-P", "ubuntu-latest=-self-hosted"]
        command += ["--artifact-server-path", str(home / "artifacts"), "--artifact-server-addr", "127.0.0.1"]
        command += ["--artifact-server-port", str(_free_port())]
        for option, pairs in (
            ("--env", given),
            ("--var", variables or {}),
            ("--secret", {"GITHUB_TOKEN": self.github.token, **(secrets or {})}),
        ):
            command += [part for key, value in pairs.items() for part in (option, f"{key}={value}")]
        called = [
            folder / name
            for folder in (actions or {}).values()
            for name in CALLED
            if (folder / name).exists()
        ]
        stand_ins = {
            action: folder
            for file in (copy / workflow, *called)
            for action, folder in _stand_ins(file).items()
        }
        for action, folder in {**stand_ins, **(actions or {})}.items():
            command += ["--local-repository", f"{action}={folder}"]
        done = _read(*_execute(command, copy, home, timeout))
        if keep_artifacts:
            self._keep_artifacts(home / "artifacts", run_id or self.runs)
        if not keep:
            shutil.rmtree(home, ignore_errors=True)  # an action's environment is large
        return done

    def _keep_artifacts(self, folder: Path, run_id: int) -> None:
        """Take over the archives that act's server stored, as GitHub keeps them after a run."""
        for archive in sorted((folder / str(run_id)).rglob("*.zip")):
            self.github.artifacts.append((run_id, archive.stem, archive.read_bytes()))


def export_action(root: Path, into: Path) -> Path:
    """Copy what git knows of a working tree, as `Hub.run` wants an action: act copies all it finds."""
    listed = _git(root, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in listed.split("\0"):
        if name and (root / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, into / name)
    return into


def _execute(command: list[str], folder: Path, home: Path, timeout: float) -> tuple[int, str]:
    """Run act in its own process group, so that nothing of it outlives a timeout."""
    # GitHub's runner has a `python`; this machine may have `python3` alone.
    tools = home / "tools"
    tools.mkdir()
    (tools / "python").symlink_to(os.path.realpath(sys.executable))
    clean = {"PATH": os.pathsep.join([os.environ["PATH"], str(tools)]), "HOME": str(home)}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=clean,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        encoding="utf-8",
        errors="replace",
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return process.returncode, output


def _read(exit_code: int, output: str) -> Run:
    """Make a run of act's JSON lines."""
    steps: dict[tuple[str, str], Step] = {}
    jobs: dict[str, str] = {}
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        job = said.get("jobID", "")
        if "jobResult" in said:
            jobs[job] = said["jobResult"]
        place = said.get("stepID")
        if place and said.get("stage") == "Main":
            key = (job, place[0])
            step = steps.setdefault(key, Step(job=job, id=place[0], name=said.get("step", "")))
            _take(step, said, outermost=len(place) == 1)
    return Run(exit_code=exit_code, jobs=jobs, steps=list(steps.values()), raw=output)


def _take(step: Step, said: dict[str, Any], *, outermost: bool) -> None:
    command, argument = said.get("command"), said.get("arg", "")
    if outermost and "stepResult" in said:
        step.result = said["stepResult"]
    if said.get("raw_output"):
        step.log += said.get("msg", "").replace("\r\n", "\n")
    elif command == "set-output":
        step.outputs[said["name"]] = argument
    elif command == "summary":
        # Of a composite action's inner step, act tells twice: for it, and for the action.
        if not (outermost and said.get("content", "") in step.summary):
            step.summary += said.get("content", "")
    elif command in {"ignored", "group", "endgroup"}:
        step.log += said.get("raw", "")
    elif command in {"error", "warning", "notice"}:
        title = (said.get("kvPairs") or {}).get("title", "")
        step.annotations.append(Annotation(level=command, title=title, text=argument))
        step.log += said.get("raw", "")


def _stand_ins(workflow: Path) -> dict[str, Path]:
    """Return the stand-in of each of GitHub's own actions that a workflow uses, at the ref it uses."""
    assert STAND_INS.exists(), "run tests/end_to_end/setup.sh first"
    used = set(re.findall(r"uses:\s*['\"]?(actions/([\w-]+)@[\w.-]+)", workflow.read_text(encoding="utf-8")))
    return {action: STAND_INS / name for action, name in used if (STAND_INS / name / "action.yml").exists()}


def _act() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "act"
    found = str(beside) if beside.exists() else shutil.which("act", path=str(Path(sys.executable).parent))
    assert found, "install the dependency group e2e first"
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _write(place: Path, content: str | bytes | None) -> None:
    if content is None:
        place.unlink()
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def _git(folder: Path, *arguments: str) -> str:
    """Run git without this machine's settings; return what it printed."""
    env = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.com",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()
