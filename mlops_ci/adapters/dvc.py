"""The DVC pipeline: brings the outputs of its stages up to date, and says what was done.

Fetching and running are two processes. The fetch has the remote's credential, a config that is trusted,
and sees none of the change's files (`dvc_remote`). The stages have no credential and a scrubbed
environment. One process for both (``dvc repro --pull``) would hand the credential to every stage.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mlops_ci.adapters.dvc_cache import Cache, total_size
from mlops_ci.adapters.dvc_config import cache_directory
from mlops_ci.adapters.dvc_project import Project, Tracked, overlap, read_project
from mlops_ci.adapters.dvc_remote import Remote
from mlops_ci.adapters.dvc_run import Dvc, Steps, failure, find_dvc, reports_failed_stage
from mlops_ci.adapters.dvc_stale import check_code_is_there, stale_stages
from mlops_ci.adapters.environment import stage_environment
from mlops_ci.adapters.files import environment_locks
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.ports import Console, PipelineRun
from mlops_ci.core.lineage import Stage, StageState
from mlops_ci.errors import PipelineError, UsageError


class DvcPipeline:
    """The DVC project of a repository; implements the port `Pipeline`.

    Parameters
    ----------
    repository
        The git repository it is in.
    console
        Where progress and the stages' output go.
    folder
        The project's directory (that of ``.dvc``), relative to the repository, for monorepos.
    environ
        Our environment, with the remote's credential.
    passed
        Names of variables that the stages get on the user's word (`pipeline.environment`).
    python
        The interpreter of the user's environment, first on the stages' PATH.
    timeout
        Of a fetch, and of a run of all stages, in seconds.
    trusted_config
        The target branch's ``.dvc/config``; None trusts the one that is here, as on a laptop.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        repository: GitRepository,
        console: Console,
        folder: str = ".",
        environ: Mapping[str, str] = os.environ,
        passed: Sequence[str] = (),
        python: Path | None = None,
        timeout: float = 3600,
        trusted_config: bytes | None = None,
    ) -> None:
        self.repository = repository
        self.root = (repository.root / folder).resolve()
        self.console = console
        self.passed = [name for name in passed if name in environ]
        self.timeout = timeout
        self.trusted_config = trusted_config
        self._environ = dict(environ)
        self._stage_environment = stage_environment(environ, passed, python)

    def reproduce(
        self, mode: Literal["run", "verify", "pull"], targets: Sequence[str], needed: Sequence[str] = ()
    ) -> PipelineRun:
        """Bring the outputs of the targets up to date and say what was done.

        Parameters
        ----------
        mode
            ``run`` runs the stages that are not current. ``verify`` runs none: it proves that dvc.lock is
            current and that all outputs are in the remote, and downloads only what is needed. ``pull``
            takes dvc.lock at its word.
        targets
            Stages as `dvc stage list` names them; all of the top dvc.yaml where there are none.
        needed
            Paths, relative to the project, that are read afterwards; the targets' outputs where none.

        Raises
        ------
        UsageError
            If this is no DVC project, there is no pipeline or no such target, or DVC is not installed.
        PipelineError
            If a stage fails or takes too long, or dvc.lock is not current (`verify`).
        ServiceError
            If the remote does not answer, or another DVC process holds the lock.
        """
        work = _Work(self, targets, needed)
        return {"run": work.run, "verify": work.verify, "pull": work.pull}[mode]()

    def environment_locks(self) -> dict[str, str]:
        """Return the checksums of the user's environment lock files, by path in the repository."""
        return environment_locks([self.repository.root, self.root], self.repository.root)

    def read(self) -> Project:
        """Read the project's files.

        Raises
        ------
        UsageError
            If there is none.
        """
        if not (self.root / ".dvc").is_dir():
            raise UsageError(
                f"{self.root.name} is not a DVC project: it has no .dvc directory",
                remedy="Run `dvc init`, or set `working-directory` to the project.",
            )
        return read_project(self.root, self.repository.files(below=self.root))

    def dvc(self) -> Dvc:
        """Return DVC without credentials."""
        command = find_dvc(self._stage_environment)
        return Dvc(command, self.root, self._stage_environment, self.console, self.timeout)

    def remote(self) -> Remote:
        """Return the remote with its credential, which only a DVC that is ours, or a trusted change, gets."""
        command = find_dvc(self._stage_environment)
        config = self.root / ".dvc" / "config"
        here = config.read_text(encoding="utf-8") if config.is_file() else ""
        trusting = self.trusted_config is None
        prefix = self.root.relative_to(self.repository.root)
        committed = (
            self.repository.read("HEAD", (prefix / ".dvc" / "config.local").as_posix())
            if not trusting
            else None
        )
        return Remote(
            root=self.root,
            cache=cache_directory(self.root),
            config=here if self.trusted_config is None else self.trusted_config.decode(),
            # A change may commit a config.local: that one is not the user's.
            local=committed is None,
            command=command,
            environment=self._environ if command.ours or trusting else self._stage_environment,
            console=self.console,
            timeout=self.timeout,
        )


class _Work:
    """One reproduction."""

    def __init__(self, pipeline: DvcPipeline, targets: Sequence[str], needed: Sequence[str]) -> None:
        self.pipeline = pipeline
        self.console = pipeline.console
        self.targets = list(targets)
        self.project = pipeline.read()
        self.selected = _selected(self.project, targets)
        self.upstream = (
            self.project.upstream(self.selected) if self.project.complete else list(self.project.stages)
        )
        check_code_is_there(self.project, self.upstream)
        self.cache = Cache(cache_directory(pipeline.root), pipeline.root)
        self.dvc = pipeline.dvc()
        self.remote = pipeline.remote()
        tracked = self.project.tracked(self.upstream) + list(self.project.data)
        paths = [os.path.normpath(path) for path in needed]
        outs = {out.path for address in self.selected for out in self.project.stages[address].outs}
        self.wanted = [
            one
            for one in {one.path: one for one in tracked}.values()
            if (any(overlap(one.path, path) for path in paths) if paths else one.path in outs)
        ]
        self.placed: set[str] = set()
        self.notices: list[str] = []

    def run(self) -> PipelineRun:
        done, plan = self.dvc.repro(self.targets, "--allow-missing", dry=True)
        if done.returncode != 0 and not reports_failed_stage(done):
            raise failure(done)
        # An exit status of 0 says "current" only where nothing would be run.
        current = done.returncode == 0 and set(plan.states.values()) <= {"skipped"}
        if current and not stale_stages(self.project, self.upstream, {}):
            lacking = self._fetch(self.wanted)
            if not lacking:
                self._place(self.wanted)
                return self._result(plan)
            names = ", ".join(one.path for one in lacking)
            self.notices.append(f"not in the DVC remote, so made again (was `dvc push` forgotten?): {names}")
            complete = not self._bring(self.project.tracked(self.upstream))
        else:
            complete = self._bring_inputs()
        return self._repro("--allow-missing") if complete else self._repro()

    def verify(self) -> PipelineRun:
        done, plan = self.dvc.repro(self.targets, "--allow-missing", dry=True)
        if done.returncode != 0 and not reports_failed_stage(done):
            raise failure(done)
        current = done.returncode == 0 and set(plan.states.values()) <= {"skipped"}
        stale = stale_stages(self.project, self.upstream, {} if current else self._status())
        if not current or stale:
            listed = "".join(f"\n  {name}: {reason}" for name, reason in stale.items())
            raise PipelineError(
                f"dvc.lock is not current{listed or ': ' + done.tail[-1] if done.tail else ''}",
                remedy="Run `dvc repro` where the pipeline runs, commit dvc.lock, and `dvc push`.",
            )
        outs = [out for address in self.upstream for out in self.project.stages[address].outs]
        cached = [out for out in outs if out.cached]
        if not self.remote.configured():
            raise UsageError("there is no DVC remote to verify", remedy="Add one with `dvc remote add -d`.")
        absent = self.remote.lacks(cached)
        if absent:
            raise PipelineError(
                f"not in the DVC remote: {', '.join(absent[:10])}"
                + (f" and {len(absent) - 10} more" if len(absent) > 10 else ""),
                remedy="Run `dvc push` where the pipeline ran.",
            )
        self._place_wanted()
        return self._result(plan)

    def pull(self) -> PipelineRun:
        unknown = [name for name in self.selected if not self.project.stages[name].locked]
        if unknown:
            raise PipelineError(
                f"dvc.lock does not have stage '{unknown[0]}'", remedy="Run `dvc repro` and commit dvc.lock."
            )
        self._place_wanted()
        for one in self.wanted:
            # What stood here before need not be what dvc.lock names.
            if one.cached and one.path not in self.placed and not self.cache.matches(one):
                raise PipelineError(
                    f"{one.path} is not what dvc.lock names",
                    remedy=f"Run `dvc checkout {one.path}`, or set `pipeline.reproduce: run`.",
                )
        return self._result(Steps())

    def _bring_inputs(self) -> bool:
        """Get what the stages that will run read; False where an output is nowhere and must be made again."""
        everything = self.project.tracked(self.upstream)
        if not any(self._absent(everything)):
            return True
        stale = stale_stages(self.project, self.upstream, self._status())
        made = {out.path for name in stale for out in self.project.stages[name].outs}
        reads = {path for name in stale for path in self.project.stages[name].reads()}
        inputs = [one for one in everything if any(overlap(one.path, path) for path in reads)]
        wanted = [one for one in [*inputs, *self.wanted] if one.path not in made]
        if stale and self.project.complete:
            lacking = self._bring({one.path: one for one in wanted}.values())
            if not lacking:
                return True
        lacking = self._bring(everything)
        data = {one.path for one in self.project.data}
        return not any(one.path not in data and one.path not in made for one in lacking)

    def _repro(self, *options: str) -> PipelineRun:
        with self.console.group("DVC: reproduce the pipeline"):
            done, steps = self.dvc.repro(self.targets, *options)
        if done.returncode != 0:
            raise failure(done, steps)
        before = self.project.lock_text()
        self.project = self.pipeline.read()
        changed = self.project.lock_text() != before
        ran = [name for name, state in steps.states.items() if state == "ran" and name in self.project.stages]
        if changed:
            self.notices.append(
                f"dvc.lock was not current: {_listed(ran)} ran; commit the dvc.lock that `dvc repro` writes"
            )
        for name in ran:
            kept = [path for path, cached in self.project.stages[name].declared_outs.items() if not cached]
            if kept:
                self.notices.append(
                    f"stage '{name}' cannot be restored from the run cache: {', '.join(sorted(kept))} "
                    "has `cache: false`"
                )
        return self._result(steps, changed=changed)

    def _result(self, steps: Steps, *, changed: bool = False) -> PipelineRun:
        ordered = [name for name in steps.states if name in self.project.stages] or self.upstream
        if self.pipeline.passed:
            self.notices.append(f"stages saw these variables: {', '.join(self.pipeline.passed)}")
        return PipelineRun(
            stages=[self._stage(name, steps) for name in ordered],
            lock_text=self.project.lock_text(),
            lock_changed=changed,
            notices=tuple(self.notices),
            environment=self.pipeline.environment_locks(),
        )

    def _stage(self, name: str, steps: Steps) -> Stage:
        stage = self.project.described(name)
        state: StageState = steps.states.get(name, "skipped")
        if state == "skipped" and self.placed & set(stage.outs):
            state = "restored"
        return replace(stage, state=state, seconds=steps.seconds.get(name, 0.0))

    def _status(self) -> Mapping[str, object]:
        options = ["--with-deps", *self.targets] if self.targets else []
        said = self.dvc.json("status", *options)
        return said if isinstance(said, dict) else {}

    def _absent(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        return [one for one in tracked if not (self.pipeline.root / one.path).exists()]

    def _fetch(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        """Download what is neither in the work tree nor in the cache; return what is nowhere."""
        absent = self._absent(tracked)
        wanted = [one for one in absent if one.cached and one.checksum and not self.cache.whole(one)]
        imported = [one for one in wanted if one.imported]
        stored = [one for one in wanted if not one.imported]
        if stored and self.remote.configured():
            size = total_size(stored) / 1e6
            with self.console.group(f"DVC: fetch {_count(len(stored), 'path')} ({size:,.1f} MB)"):
                self.remote.fetch(stored)
            if not all(self.cache.whole(one) for one in stored):
                self.remote.check_reachable()
        if imported:
            # An import brings a repository's own config along: it gets no credential of ours.
            with self.console.group(f"DVC: fetch {_count(len(imported), 'import')}"):
                self.dvc.call("fetch", "--", *(one.path for one in imported))
        return [one for one in absent if not (one.cached and one.checksum and self.cache.whole(one))]

    def _bring(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        """Fetch, and check out what is not in the work tree; return what is nowhere."""
        tracked = list(tracked)
        lacking = {one.path for one in self._fetch(tracked)}
        absent = self._absent(tracked)
        there = [one.path for one in absent if one.path not in lacking]
        if there:
            done = self.dvc.call("checkout", "--", *there)
            if done.returncode != 0:
                raise failure(done)
        return [one for one in absent if one.path in lacking]

    def _place_wanted(self) -> None:
        lacking = self._fetch(self.wanted)
        if lacking:
            raise PipelineError(
                f"neither here nor in the DVC remote: {', '.join(one.path for one in lacking)}",
                remedy="Run `dvc push` where the pipeline ran.",
            )
        self._place(self.wanted)

    def _place(self, tracked: Iterable[Tracked]) -> None:
        for one in self._absent(tracked):
            self.cache.place(one)
            self.placed.add(one.path)


def _selected(project: Project, targets: Sequence[str]) -> list[str]:
    if not project.stages and project.complete:
        raise UsageError(
            "there is no pipeline: no dvc.yaml with stages",
            remedy="Describe the pipeline with `dvc stage add`, and commit dvc.yaml.",
        )
    for target in targets:
        if project.complete and not project.select([target]):
            known = ", ".join(project.stages)
            raise UsageError(
                f"`pipeline.targets` names '{target}', which is no stage of the pipeline",
                remedy=f"Name one of: {known}.",
            )
    return project.select(targets)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "no stage"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
