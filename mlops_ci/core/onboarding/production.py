"""Proposes the blocks `monitor`, `retrain` and `canary` of mlops-ci.yaml, and lists what is left to do."""

from __future__ import annotations

from collections.abc import Collection

from mlops_ci.core.onboarding.columns import Meaning
from mlops_ci.core.onboarding.facts import Facts, ProjectFact
from mlops_ci.core.table_files import is_table

WATCHES = ("canary", "monitor", "retrain")
Row = tuple[str, str]


def training_data(facts: Facts, project: ProjectFact, model: str) -> tuple[str, str]:
    """Return the table that a model is trained on, and the tracked file of its raw data; empty if unknown."""
    made = {out for stage in project.stages for out in stage.outs}
    training = [stage for stage in project.stages if model and model in stage.outs]
    tables = [dep for stage in training for dep in stage.deps if is_table(dep)]
    told = [path for path in tables if "train" in path.lower()] or tables
    read = [dep for stage in project.stages for dep in stage.deps if dep not in made]
    newer = [path for path in read if path in facts.tracked]
    return next(iter(told), ""), next(iter(newer), "")


def production_rows(
    wanted: Collection[str], means: Meaning, *, folder: str = "", trained_on: str = "", newer: str = ""
) -> list[Row]:
    """Return the blocks as lines, each with its reason.

    Parameters
    ----------
    wanted
        Of `WATCHES`.
    folder
        Part of paths that tells one of several models from the others.
    trained_on, newer
        As of `training_data`.
    """
    rows: list[Row] = []
    if "monitor" in wanted:
        rows += _monitor(means, folder, trained_on)
    if "retrain" in wanted:
        rows += _retrain(newer)
    if "canary" in wanted:
        rows += _canary(means, folder)
    return rows


def to_do(wanted: Collection[str], *, newer: bool, gitlab: bool) -> list[str]:
    """Return the manual steps that these jobs still need."""
    texts = []
    place = ".gitlab-ci.yml (`production`)" if gitlab else "mlops-ci-monitor.yml"
    if "monitor" in wanted:
        texts.append(
            f"`monitor`: give {place} the command that brings production's rows to `monitor.data`; "
            "until there are some, the job fails and says so."
        )
    if "retrain" in wanted and "monitor" not in wanted:
        texts.append(
            "`retrain`: whether to train again is decided by the last step of monitoring; `--with "
            "monitor,retrain` writes both."
        )
    if "retrain" in wanted and not newer:
        texts.append(
            "`retrain`: no stage reads a file that `dvc add` tracks; name in `retrain.data` what newer data "
            "come in."
        )
    if "retrain" in wanted and not gitlab:
        texts.append(
            "`retrain`: a pull request that a job's own token opens starts no check by itself; give a "
            "machine account's token (contents and pull requests, write) as the secret MLOPS_CI_TOKEN."
        )
    if "canary" in wanted:
        texts.append(
            "`canary`: with this block, `promote` gives a new version a share of the traffic first. Set "
            "`promotion.deploy_command`, which splits it, and bring the outcomes to `canary.outcomes`."
        )
    return texts


def _monitor(means: Meaning, folder: str, trained_on: str) -> list[Row]:
    target = means.parts.get("target", "y_true")
    rows: list[Row] = [("monitor:", "judges production window by window, on a schedule")]
    rows += [
        (f"  data: data/production/{folder}*.parquet", "what it was asked and answered, as in `evaluation`"),
        ("  time: time", "column of a row's time; without a zone it is UTC"),
        ("  window: 1d", "two of three windows make an alarm, and one issue"),
        (
            f"  # labels: data/labels/{folder}*.csv",
            f"labels that come later: columns {means.parts.get('id', 'id')}, {target}",
        ),
    ]
    if trained_on:
        return [
            ("drift:", ""),
            (f"  reference: {trained_on}", "its profile goes with each candidate: drift is told from it"),
            *rows,
        ]
    return [
        ("# drift:", ""),
        ("#   reference: data/train.parquet", "name what it is trained on, or data drift is not seen"),
        *rows,
    ]


def _retrain(newer: str) -> list[Row]:
    data = (f"  data: {newer}", "newer rows of this file are proposed as a change")
    nothing = ("  # data: data/train.csv", "a file that `dvc add` tracks: its newer rows are proposed")
    return [
        ("retrain:", "after drift and a proven loss, once for one reason"),
        ("  trigger: mlops-ci-retrain", "what it starts; the gate judges what comes of it"),
        ("  weekly: 2", "trainings a week, at most"),
        data if newer else nothing,
    ]


def _canary(means: Meaning, folder: str) -> list[Row]:
    rows: list[Row] = [
        ("canary:", "`promote` starts one instead of moving the champion"),
        (f"  outcomes: outcomes/{folder}*.parquet", "one row a request; CSV, or MLflow's traces, too"),
        ("  version: model_version", "column of the version that answered"),
        ("  time: time", "column of the request's time"),
        ("  rates:", "what has to be proven no worse"),
        ("    errors: {column: error, margin: 0.01}", "one failure more in a hundred is accepted"),
    ]
    if means.task == "binary" and {"prediction", "target"} <= set(means.parts):
        given = f'column: {means.parts["prediction"]}, label: {means.parts["target"]}, positive: "1"'
        rows.append(
            (
                f"    # false_positives: {{{given}, margin: 0.01}}",
                "where labels come; then set `label_age`",
            )
        )
    return [*rows, ("  steps: [0.05, 0.25, 1]", "shares of the traffic; 1 is the promotion")]
