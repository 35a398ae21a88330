"""`doctor`: what would keep the gate from working in this repository, each finding with its remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlops_ci.adapters.ports import Champion, Repository
from mlops_ci.adapters.ports.onboarding import Probes
from mlops_ci.commands.matching import columns_of, own_evaluation
from mlops_ci.commands.tools import Tools
from mlops_ci.core.evidence import Evaluation
from mlops_ci.core.onboarding import holdout, workflow_rules
from mlops_ci.core.onboarding.checks import Check, State, exit_code, failed, ok, skipped, warning
from mlops_ci.core.report import Report
from mlops_ci.errors import MlopsCiError
from mlops_ci.settings import Settings, policy_of

# Aliases came with MLflow 2.3.
_OLDEST = (2, 3)


def doctor(checks: Iterable[Check], model: str = "") -> Report:
    """Return the report of all checks."""
    found = list(checks)
    counts = Counter(check.state for check in found)
    words: dict[State, str] = {
        "failed": "to fix",
        "warning": "could be better",
        "ok": "fine",
        "skipped": "skipped",
    }
    return Report(
        command="doctor",
        model=model,
        exit_code=exit_code(found),
        headline=holdout.counted({words[state]: counts[state] for state in words if state in counts}),
        next_step="Fix what is marked FIX, from the top down." if counts["failed"] else "",
        details={"checks": [check.__dict__ for check in found]},
    )


def together(of_models: Sequence[tuple[str, Sequence[Check]]]) -> Iterator[Check]:
    """Yield the checks of all models: once what holds for each, and the rest under the model's name."""
    shared = [
        check
        for check in (of_models[0][1] if of_models else ())
        if all(check in others for _, others in of_models)
    ]
    yield from shared
    for model, checks in of_models:
        for check in checks:
            if check not in shared:
                yield replace(check, subject=f"{model}: {check.subject}")


def of_repository(
    repository: Repository, branch: str | None, *, shallow: bool, workflows: Mapping[str, Any], forge: str
) -> Iterator[Check]:
    """Yield the checks that concern all models: the git history and the workflows.

    Parameters
    ----------
    shallow
        Whether the clone lacks history.
    workflows
        Parsed workflows by path; a text says why one could not be parsed.
    """
    if shallow:
        yield failed(
            "git",
            "this clone lacks history: the target branch cannot be read",
            "Fetch all: `fetch-depth: 0`.",
        )
    else:
        tip = repository.target_tip(branch)
        if tip is None:
            yield failed("git", "there is no target branch", "Commit to `main`, or name one with --target.")
        else:
            yield ok("git", f"whole history; the target branch is {tip[0]}")
    found = [check for path, document in workflows.items() for check in _workflow(path, document)]
    if not found and forge != "gitlab":
        yield warning("workflows", "no workflow runs mlops-ci", "Write them with `mlops-ci init`.")
    yield from found


def _workflow(path: str, document: Any) -> Iterator[Check]:
    if isinstance(document, str):
        yield failed(path, f"is not valid YAML: {document}", "Fix it.")
    else:
        yield from workflow_rules.check_workflow(path, document)


def of_model(settings: Settings, tools: Tools, probes: Probes, *, offline: bool) -> Iterator[Check]:
    """Yield the checks of one model; an error becomes a failed check."""
    outputs = list(_guarded("pipeline", lambda: _pipeline(settings, tools)))
    yield from outputs
    yield from _guarded("DVC remote", lambda: _remote(settings, probes, offline=offline))
    champion: Champion | None = None
    if not offline:
        yield from _guarded("MLflow", lambda: _registry(settings, probes))
        state, champion = _champion(settings, tools)
        yield from state
    yield from _guarded("holdout", lambda: _holdout(settings, tools, champion))


def of_forge(probes: Probes, forge: str) -> Iterator[Check]:
    """Yield the checks of the forge's token."""
    state = probes.forge()
    if state is None:
        yield skipped(forge or "forge", "no token to ask with (GITHUB_TOKEN and GITHUB_REPOSITORY)")
        return
    if state.reads is False:
        yield failed(
            "GitHub",
            "the token may not read pull requests",
            "Add `pull-requests: write` to the job's `permissions`.",
        )
    if state.comments is False:
        yield failed(
            "GitHub",
            f"the token may not comment on pull requests of {state.repository}",
            "Add `pull-requests: write` to the job's `permissions`; of a fork or Dependabot, use two jobs.",
        )
    if state.reads and state.comments:
        yield ok("GitHub", f"the token may read and comment on pull requests of {state.repository}")


def _guarded(subject: str, checks: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    try:
        yield from checks()
    except MlopsCiError as error:
        yield failed(subject, error.problem.removeprefix(f"{subject}: "), error.remedy, error.exit_code)


def _pipeline(settings: Settings, tools: Tools) -> Iterator[Check]:
    """Yield whether stages make what the settings name."""
    run = tools.pipeline().describe(settings.pipeline.targets)
    made = [path for stage in run.stages for path in stage.outs]
    base = settings.pipeline.directory
    prefix = "" if base == "." else f"{base.strip('/')}/"
    wanted = {
        "candidate.model": settings.candidate.model,
        "candidate.metrics": settings.candidate.metrics,
        "evaluation.predictions": settings.evaluation.predictions,
    }
    missing = False
    for key, path in wanted.items():
        known = [f"{prefix}{out}" for out in made]
        if path and not any(
            path == out or path.startswith(f"{out}/") or out.startswith(f"{path}/") for out in known
        ):
            if (tools.root / path).exists() and key != "evaluation.predictions":
                continue
            missing = True
            yield failed(
                "pipeline",
                f"no stage writes {path} ({key})",
                f"Add it to the `outs` of a stage in dvc.yaml, or fix {key}.",
            )
    if not missing:
        yield ok("pipeline", f"{len(run.stages)} stages make what the settings name")


def _remote(settings: Settings, probes: Probes, *, offline: bool) -> Iterator[Check]:
    state = probes.remote(settings.pipeline.directory, offline=offline)
    if not state.urls:
        yield failed(
            "DVC remote",
            "there is none: a runner has no data",
            "Run `dvc remote add --default`, then `dvc push`.",
        )
        return
    if state.problem:
        yield failed("DVC remote", state.problem, state.remedy, 4)
        return
    for name, url in state.urls.items():
        if "://" not in url:
            yield warning(
                "DVC remote", f"'{name}' is a folder ({url}): only runners on this machine reach it",
                "Use S3, GCS, Azure, SSH or HTTP for hosted runners.",
            )  # fmt: skip
    strict = settings.pipeline.reproduce != "run"
    if not state.locked:
        say = failed if strict else warning
        yield say(
            "dvc.lock", "there is none: all stages run", "Run `dvc repro`, commit dvc.lock, and `dvc push`."
        )
    elif state.stale:
        say = failed if strict else warning
        yield say(
            "dvc.lock",
            "is behind the files: the stages run again in each check",
            "Run `dvc repro`, and commit dvc.lock.",
        )
    else:
        yield ok("dvc.lock", "is current")
    if state.missing:
        say = failed if strict else warning
        listed = ", ".join(state.missing[:5])
        yield say("DVC remote", f"does not have {listed}", "Run `dvc push`.")
    elif not offline and state.locked:
        yield ok("DVC remote", "answers, and has what dvc.lock names")


def _registry(settings: Settings, probes: Probes) -> Iterator[Check]:
    state = probes.registry(settings.registry.model)
    if state.version and _numbers(state.version) < _OLDEST:
        yield failed(
            "MLflow", f"{state.address} is {state.version}: it has no aliases", "Upgrade it to 2.3 or later."
        )
    else:
        version = f" ({state.version})" if state.version else ""
        yield ok("MLflow", f"{state.address} answers{version}")
    if state.address.startswith("sqlite"):
        yield warning(
            "MLflow",
            "is a file on this machine: runners need a server",
            "Set MLFLOW_TRACKING_URI where the gate runs.",
        )
    elif state.moves_aliases:
        yield warning(
            "MLflow",
            f"this identity may move the aliases of '{settings.registry.model}': a check only reads them",
            "Give the check an identity that may read the model and write runs; `promote` moves aliases.",
        )
    elif state.moves_aliases is False:
        yield ok("MLflow", "this identity may not move aliases, as it should be for a check")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _champion(settings: Settings, tools: Tools) -> tuple[list[Check], Champion | None]:
    """Check that there is a champion that candidates can be compared with; return it, too."""
    name, alias = settings.registry.model, settings.registry.champion
    try:
        champion = tools.registry().champion(name, alias)
    except MlopsCiError as error:
        return [failed("champion", error.problem, error.remedy, error.exit_code)], None
    if champion is None:
        text = f"models:/{name}@{alias} does not exist: checks have nothing to compare with"
        return [
            warning("champion", text, "Take one in with `mlops-ci adopt --from-pipeline`, or --version N.")
        ], None
    which = f"version {champion.ref.version}"
    if champion.evaluation is None and settings.evaluation.predictions:
        text = f"{which} has no predictions: candidates cannot be compared row by row"
        return [
            failed(
                "champion",
                text,
                f"Give it some: `mlops-ci adopt --version {champion.ref.version} --predictions FILE`.",
                5,
            )
        ], champion
    return [ok("champion", f"{which} is in production, and can be compared with")], champion


def _holdout(settings: Settings, tools: Tools, champion: Champion | None) -> Iterator[Check]:
    rows = _local(settings, tools)
    theirs = None
    if champion is not None and champion.evaluation is not None:
        theirs = own_evaluation(tools, tools.registry(), champion)
    if rows is None and theirs is None:
        if settings.evaluation.predictions:
            yield skipped(
                "holdout",
                f"{settings.evaluation.predictions} is not here: `dvc pull` or `dvc repro` brings it",
            )
        else:
            yield warning(
                "holdout",
                "there are no predictions, so a real loss and chance look the same",
                "See what `mlops-ci init` proposes.",
            )
        return
    both = theirs if rows is not None else None
    known = rows if rows is not None else theirs
    assert known is not None  # noqa: S101 (one of them is)
    found = list(holdout.check_holdout(known, policy_of(settings), both))
    yield from found or [
        ok("holdout", f"{len(known):,} rows; what they settle shows with the first comparison")
    ]


def _local(settings: Settings, tools: Tools) -> Evaluation | None:
    if not settings.evaluation.predictions:
        return None
    place = tools.root / settings.evaluation.predictions
    labels = tools.root / settings.evaluation.holdout if settings.evaluation.holdout else None
    if not place.exists() or (labels is not None and not labels.exists()):
        return None
    return tools.evaluations.read(place, columns_of(settings), labels)
