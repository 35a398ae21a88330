"""The port `Pipeline` for DVC: brings the outputs of the stages up to date, and describes what it did.

Fetching and running are two processes. The fetch has the remote's credential, a config that is trusted,
and sees none of the change's files (`dvc_remote`). The stages have no credential and a scrubbed
environment. One process for both (``dvc repro --pull``) would hand the credential to every stage.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal

from mlops_ci.adapters.dvc.cache import dvc_checksum, listing
from mlops_ci.adapters.dvc.config import cache_directory
from mlops_ci.adapters.dvc.graph import Project
from mlops_ci.adapters.dvc.planned import declared, planned_stages
from mlops_ci.adapters.dvc.project import read_project
from mlops_ci.adapters.dvc.remote import Remote
from mlops_ci.adapters.dvc.reproduction import Reproduction, select_targets
from mlops_ci.adapters.dvc.run import Dvc, find_dvc
from mlops_ci.adapters.dvc.stale import unlisted
from mlops_ci.adapters.dvc.store import Store
from mlops_ci.adapters.environment import stage_environment
from mlops_ci.adapters.files import environment_locks
from mlops_ci.adapters.git import GitRepository
from mlops_ci.adapters.ports import Console, PipelineRun
from mlops_ci.core.lineage import Stage
from mlops_ci.errors import UsageError

_DESCRIBING = (".dvc", "dvc.yaml", "dvc.yml", "dvc.lock")


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
        self._known: dict[str, tuple[list[Stage], list[str]]] = {}
        self._stage_environment = stage_environment(environ, passed, python)

    def reproduce(
        self, mode: Literal["run", "verify", "pull"], targets: Sequence[str], needed: Sequence[str] = ()
    ) -> PipelineRun:
        """Bring the outputs of the targets up to date, and describe what was done.

        Parameters
        ----------
        mode
            ``run`` runs the stages that are not current. ``verify`` runs none: it proves that dvc.lock is
            current and that all outputs are in the remote, and downloads only what is needed. ``pull``
            takes dvc.lock at its word.
        targets
            Stages as `dvc stage list` names them; all of the top dvc.yaml if there are none.
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
        # Read first: what is wrong with the project is said before what is wrong with DVC.
        project = self.read()
        work = Reproduction(
            project=project,
            read=self.read,
            targets=targets,
            needed=needed,
            dvc=self._dvc(),
            remote=self._remote(),
            console=self.console,
        )
        run = {"run": work.run, "verify": work.verify, "pull": work.pull}[mode]()
        passed = [f"stages saw these variables: {', '.join(self.passed)}"] if self.passed else []
        return replace(run, notices=(*run.notices, *passed), environment=self.environment_locks())

    def describe(self, targets: Sequence[str]) -> PipelineRun:
        """Return the stages as a run of the present files would record them, without running or fetching.

        Outputs have checksums only where dvc.lock is current; `lock_changed` says that it is not.
        """
        project = self.read()
        addresses = project.upstream(select_targets(project, targets)) if project.complete else project.stages
        stages, current = planned_stages(self._with_listings(project, list(addresses)), list(addresses))
        return PipelineRun(
            stages=stages,
            lock_text=project.lock_text(),
            lock_changed=not current,
            environment=self.environment_locks(),
        )

    def not_in_remote(self, targets: Sequence[str]) -> list[str]:
        """Return the outputs and data that dvc.lock names and the remote lacks; nothing is downloaded.

        Raises
        ------
        UsageError
            If there is no remote, or its plugin is not installed.
        ServiceError
            If it does not answer.
        """
        project, remote = self.read(), self._remote()
        if not remote.configured():
            raise UsageError("there is no DVC remote", remedy="Add one with `dvc remote add --default`.")
        addresses = project.upstream(select_targets(project, targets)) if project.complete else project.stages
        wanted = [
            one for one in project.tracked(addresses) if one.cached and not one.imported and one.checksum
        ]
        return remote.lacks(wanted)

    def checksum(self, path: Path) -> str:
        """Return DVC's checksum of a file or folder, tracked or not."""
        return dvc_checksum(path)

    def listing(self, folder: Path) -> bytes:
        """Return a folder's listing as DVC writes it; the MD5 of these bytes is its checksum."""
        return listing(folder)

    def environment_locks(self, revision: str | None = None) -> dict[str, str]:
        """Return the checksums of the user's environment lock files, by path in the repository."""
        if revision is None:
            return environment_locks([self.repository.root, self.root], self.repository.root)
        prefix = self.root.relative_to(self.repository.root)
        folders = {"", "." if prefix == Path() else prefix.as_posix()} - {"."}
        wanted = [path for path in self.repository.paths(revision) if path.rpartition("/")[0] in folders]
        with tempfile.TemporaryDirectory(prefix="mlops-ci-") as name:
            self.repository.export(revision, wanted, Path(name))
            return environment_locks([Path(name), Path(name) / prefix], Path(name))

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

    def stages_at(self, revision: str) -> list[Stage]:
        """Return the stages as dvc.yaml declares them at a revision, without running or fetching anything.

        For the target branch's tip, to compare with those of the change.
        """
        return self._at(revision)[0]

    def unreadable_at(self, revision: str) -> list[str]:
        """Return the pipeline files at a revision whose stages only DVC can resolve."""
        return self._at(revision)[1]

    def _with_listings(self, project: Project, addresses: Sequence[str]) -> Project:
        """Return the project with the listings that tell whether stages are current, where they are known."""
        folders = unlisted(project, addresses)
        if not folders:
            return project
        try:
            store = Store(root=self.root, remote=self._remote(), dvc=self._dvc(), console=self.console)
        except UsageError:
            return project  # there is no DVC to ask with
        return store.with_listings(project, folders)

    def _at(self, revision: str) -> tuple[list[Stage], list[str]]:
        sha = self.repository.resolve(revision) or revision
        if sha not in self._known:
            self._known[sha] = self._read_at(sha)
        return self._known[sha]

    def _read_at(self, revision: str) -> tuple[list[Stage], list[str]]:
        prefix = self.root.relative_to(self.repository.root).as_posix()
        start = "" if prefix == "." else f"{prefix}/"
        wanted = [
            path
            for path in self.repository.paths(revision)
            if path.startswith(start)
            and (
                path.endswith((".dvc", "dvc.yaml", "dvc.yml", "dvc.lock"))
                or PurePosixPath(path).stem == "params"
            )
        ]
        with tempfile.TemporaryDirectory(prefix="mlops-ci-") as name:
            self.repository.export(revision, wanted, Path(name))
            root = Path(name) / prefix
            project = read_project(root, [path.removeprefix(start) for path in wanted])
            stages = declared(project)
        files = [path for path in wanted if PurePosixPath(path).name in ("dvc.yaml", "dvc.yml")]
        return stages, [] if project.complete else files

    def _dvc(self) -> Dvc:
        """Return DVC without credentials."""
        command = find_dvc(self._stage_environment)
        return Dvc(command, self.root, self._stage_environment, self.console, self.timeout)

    def _remote(self) -> Remote:
        """Return the remote with its credential, which only our own DVC or a trusted change may use."""
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
