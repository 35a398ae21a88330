"""One reproduction of a DVC pipeline: fetches its inputs, runs stale stages, or verifies that none is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlops_ci.adapters.dvc.graph import Project, Tracked, overlap
from mlops_ci.adapters.dvc.remote import Remote
from mlops_ci.adapters.dvc.run import Dvc, Steps, failure, reports_failed_stage
from mlops_ci.adapters.dvc.stale import check_code_is_there, check_frozen, stale_stages, unlisted
from mlops_ci.adapters.dvc.store import Store
from mlops_ci.adapters.ports import Console, PipelineRun
from mlops_ci.core.lineage import Stage, StageState
from mlops_ci.errors import PipelineError, UsageError


class Reproduction:
    """One reproduction.

    Parameters
    ----------
    project, read
        The project, and how it is read again after a run.
    targets, needed
        As of `DvcPipeline.reproduce`.
    dvc
        DVC without credentials.
    remote
        The remote with its credential.
    """

    def __init__(
        self,
        *,
        project: Project,
        read: Callable[[], Project],
        targets: Sequence[str],
        needed: Sequence[str],
        dvc: Dvc,
        remote: Remote,
        console: Console,
    ) -> None:
        self.read = read
        self.console = console
        self.targets = list(targets)
        self.project = project
        self.selected = select_targets(self.project, targets)
        self.upstream = (
            self.project.upstream(self.selected) if self.project.complete else list(self.project.stages)
        )
        check_code_is_there(self.project, self.upstream)
        self.store = Store(root=project.root, remote=remote, dvc=dvc, console=console)
        self.dvc = dvc
        self.remote = remote
        self.needed = [os.path.normpath(path) for path in needed]
        self.wanted = self._wanted()
        self.notices: list[str] = []

    def run(self) -> PipelineRun:
        """Run stale stages."""
        self.project = self.store.with_listings(self.project, unlisted(self.project, self.upstream))
        done, plan = self.dvc.repro(self.targets, "--allow-missing", dry=True)
        if done.returncode != 0 and not reports_failed_stage(done):
            raise failure(done)
        # An exit status of 0 says "current" only where nothing would be run.
        current = done.returncode == 0 and set(plan.states.values()) <= {"skipped"}
        if current and not stale_stages(self.project, self.upstream, {}):
            lacking = self.store.fetch(self.wanted)
            if not lacking:
                self.store.place(self.wanted)
                return self._result(plan)
            names = ", ".join(one.path for one in lacking)
            why = (
                "not in the DVC remote (was `dvc push` forgotten?)"
                if self.remote.configured()
                else "there is no DVC remote"
            )
            self.notices.append(f"{why}, so these were made again: {names}")
            return self._repro(everything=True)
        return self._repro(everything=not self._bring_inputs())

    def verify(self) -> PipelineRun:
        """Verify that dvc.lock is current and that all its outputs are in the remote; run nothing."""
        self.store.bring(self._parts_of_folders())
        self.project = self.store.with_listings(self.project, unlisted(self.project, self.upstream))
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

    def _parts_of_folders(self) -> list[Tracked]:
        """Return what is not here of folders that stages read as a whole and git has in part.

        DVC calls such a folder modified as long as anything in it is missing.
        """
        read = {dep for name in self.upstream for dep in self.project.stages[name].reads()}
        partly = [path for path in read if (self.project.root / path).is_dir()]
        tracked = self.project.tracked(self.upstream)
        return [one for one in tracked if any(one.path.startswith(f"{path}/") for path in partly)]

    def pull(self) -> PipelineRun:
        """Trust dvc.lock and fetch its outputs; run nothing."""
        unknown = [name for name in self.selected if not self.project.stages[name].locked]
        if unknown:
            raise PipelineError(
                f"dvc.lock does not have stage '{unknown[0]}'", remedy="Run `dvc repro` and commit dvc.lock."
            )
        self._place_wanted()
        for one in self.wanted:
            # What stood here before need not be what dvc.lock names.
            if one.path not in self.store.placed and not self.store.cache.matches(one):
                again = f"`dvc checkout {one.path}`" if one.cached else "`dvc repro`, commit it with dvc.lock"
                raise PipelineError(
                    f"{one.path} is not what dvc.lock names",
                    remedy=f"Run {again}, or set `pipeline.reproduce: run`.",
                )
        return self._result(Steps())

    def _wanted(self) -> list[Tracked]:
        """Return the paths that are read after the run: those asked for, or the targets' outputs."""
        tracked = [*self.project.tracked(self.upstream), *self.project.data]
        outs = {out.path for address in self.selected for out in self.project.stages[address].outs}
        return [
            one
            for one in {one.path: one for one in tracked}.values()
            if (any(overlap(one.path, path) for path in self.needed) if self.needed else one.path in outs)
        ]

    def _bring_inputs(self) -> bool:
        """Fetch the inputs of stages that will run; return False if some are missing or unknown."""
        everything = self.project.tracked(self.upstream)
        if not any(self.store.absent(everything)):
            return True
        stale = stale_stages(self.project, self.upstream, self._status())
        if not stale or not self.project.complete:
            return False
        made = {out.path for name in stale for out in self.project.stages[name].outs}
        reads = {path for name in stale for path in self.project.stages[name].reads()}
        inputs = [one for one in everything if any(overlap(one.path, path) for path in reads)]
        return not self.store.bring(one for one in inputs if one.path not in made)

    def _bring_everything(self) -> list[str]:
        """Fetch all inputs and outputs of the stages; return the options that `dvc repro` then needs."""
        lacking = self.store.bring(self.project.tracked(self.upstream))
        data = {one.path for one in self.project.data}
        # An output that is nowhere must be made again; without this, data that no stage needs may be missing.
        return [] if any(one.path not in data for one in lacking) else ["--allow-missing"]

    def _repro(self, *, everything: bool) -> PipelineRun:
        """Run stale stages; if they need more than expected, fetch everything and try again.

        A stage that runs and makes the same bytes as before leaves those after it current: what they
        made was not fetched then, though a later stage, or the gate, may need it.
        """
        before = self.project.lock_text()
        seen = Steps()
        while True:
            options = self._bring_everything() if everything else ["--allow-missing"]
            with self.console.group("DVC: reproduce the pipeline"):
                done, steps = self.dvc.repro(self.targets, *options)
            seen.merge(steps)
            cannot_start = reports_failed_stage(done) and steps.running is None
            if done.returncode != 0 and (everything or not cannot_start):
                raise failure(done, steps)
            self.project = replace(self.read(), listings=self.project.listings)
            self.wanted = self._wanted()
            if done.returncode == 0 and not self.store.fetch(self.wanted):
                self.store.place(self.wanted)
                return self._ran(seen, before)
            if everything:
                lacking = ", ".join(one.path for one in self.store.fetch(self.wanted))
                raise PipelineError(f"the pipeline ran, but did not make {lacking}", remedy="Fix its stages.")
            everything = True

    def _ran(self, steps: Steps, before: str) -> PipelineRun:
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
        wanted = [one.path for one in self.wanted]
        self.notices += check_frozen(self.project, self.upstream, wanted)
        ordered = [name for name in steps.states if name in self.project.stages] or self.upstream
        return PipelineRun(
            stages=[self._stage(name, steps) for name in ordered],
            lock_text=self.project.lock_text(),
            lock_changed=changed,
            notices=tuple(self.notices),
        )

    def _stage(self, name: str, steps: Steps) -> Stage:
        stage = self.project.described(name)
        state: StageState = steps.states.get(name, "skipped")
        if state == "skipped" and self.store.placed & set(stage.outs):
            state = "restored"
        return replace(stage, state=state, seconds=steps.seconds.get(name, 0.0))

    def _status(self) -> Mapping[str, object]:
        options = ["--with-deps", *self.targets] if self.targets else []
        said = self.dvc.json("status", *options)
        return said if isinstance(said, dict) else {}

    def _place_wanted(self) -> None:
        lacking = self.store.fetch(self.wanted)
        if lacking:
            raise PipelineError(
                f"neither here nor in the DVC remote: {', '.join(one.path for one in lacking)}",
                remedy="Run `dvc push` where the pipeline ran.",
            )
        self.store.place(self.wanted)


def select_targets(project: Project, targets: Sequence[str]) -> list[str]:
    """Return the addresses of the stages that targets name.

    Raises
    ------
    UsageError
        If there is no pipeline, or a target is no stage of it.
    """
    if not project.stages and project.complete:
        raise UsageError(
            "there is no pipeline: no dvc.yaml with stages",
            remedy="Describe the pipeline with `dvc stage add`, and commit dvc.yaml.",
        )
    for target in targets:
        if project.complete and not project.select([target]):
            known = ", ".join(project.stages)
            raise UsageError(
                f"`pipeline.targets` names '{target}', which is not a stage of the pipeline",
                remedy=f"Name one of: {known}.",
            )
    return project.select(targets)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "no stage"
