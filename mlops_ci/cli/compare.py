"""The gate's statistics alone: `compare` and `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_ci.cli.delivery import show
from mlops_ci.cli.options import output_options
from mlops_ci.errors import UsageError

if TYPE_CHECKING:
    from mlops_ci.adapters.ports import Columns
    from mlops_ci.core.policy import Policy

_file = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("champion", type=_file)
@click.argument("candidate", type=_file)
@click.option("--config", type=_file, help="Take `metrics`, `gate` and `evaluation` from this mlops-ci.yaml.")
@click.option("--metric", "metrics", multiple=True, help="METRIC=MARGIN, such as accuracy=0.01 or f1=2%.")
@click.option("--id", "id_column", help="Column that identifies a row (default: id).")
@click.option("--target", help="Column of the true label or value (default: y_true).")
@click.option("--prediction", help="Column of the predicted label or value (default: y_pred).")
@click.option("--score", help="Column of the positive class's score (default: y_score, if it is there).")
@click.option("--group", help="Column of the unit that rows belong to: rows of one group are dependent.")
@click.option("--weight", help="Column of row weights.")
@click.option("--slice", "slices", multiple=True, help="Column whose values are compared one by one.")
@output_options
def compare(champion: Path, candidate: Path, **options: Any) -> int:
    """Compare the predictions of two models on the same rows.

    Needs no DVC, MLflow or forge: two files with an id, a label and a prediction for each row.

    \b
    One metric:     mlops-ci compare old.parquet new.parquet --metric accuracy=0.01
    As configured:  mlops-ci compare old.csv new.csv --config mlops-ci.yaml
    """
    from mlops_ci.adapters.data.evaluations import EvaluationFiles  # noqa: PLC0415
    from mlops_ci.adapters.data.frames import TableReader  # noqa: PLC0415
    from mlops_ci.api import functions_of  # noqa: PLC0415
    from mlops_ci.commands.compare import compare as run_compare  # noqa: PLC0415

    policy, columns = _rules(options)
    report = run_compare(
        champion, candidate, policy, columns, EvaluationFiles(TableReader()), functions=functions_of(policy)
    )
    show([report], options, {})
    return report.exit_code


def _rules(options: dict[str, Any]) -> tuple[Policy, Columns]:
    """Return policy and columns from a settings file, or from flags, which win."""
    mapping: dict[str, Any] = {}
    config: Path | None = options["config"]
    if config is not None:
        import yaml  # noqa: PLC0415

        loaded = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
        mapping = {key: loaded[key] for key in ("metrics", "gate", "evaluation") if key in loaded}
    if options["metrics"]:
        mapping["metrics"] = dict(_metric(text) for text in options["metrics"])
    if not mapping.get("metrics"):
        raise UsageError(
            "which metrics to compare was not said", remedy="give --metric accuracy=0.01, or --config"
        )
    flags = {"id": "id_column", **{key: key for key in ("target", "prediction", "score", "group", "weight")}}
    written = {key: options[flag] for key, flag in flags.items() if options[flag]}
    evaluation = {**(mapping.get("evaluation") or {}), **written}
    if options["slices"]:
        evaluation["slices"] = list(options["slices"])
        mapping["metrics"] = {
            name: {**(block or {}), "slices": True} for name, block in mapping["metrics"].items()
        }
    from mlops_ci.api import policy_and_columns  # noqa: PLC0415

    return policy_and_columns({**mapping, "evaluation": evaluation})


def _metric(text: str) -> tuple[str, dict[str, Any]]:
    name, _, margin = text.partition("=")
    if not margin:
        raise UsageError(f"--metric {text} says no margin", remedy=f"write --metric {name}=0.01")
    try:
        return name, {"margin": margin if margin.endswith("%") else float(margin)}
    except ValueError:
        raise UsageError(
            f"--metric {text}: '{margin}' is not a number", remedy=f"write --metric {name}=0.01"
        ) from None


@click.command()
@click.option("--margin", type=float, required=True, help="Accepted loss of accuracy, such as 0.01.")
@click.option(
    "--disagreement",
    type=float,
    required=True,
    help="Share of rows where exactly one of the two models is right, such as 0.06.",
)
@click.option(
    "--power", type=float, default=0.8, show_default=True, help="How often an equal model should pass."
)
@click.option("--alpha", type=float, default=0.05, show_default=True, help="One-sided error rate.")
@click.option(
    "--uses", type=int, default=1, show_default=True, help="Candidates to be judged on the holdout."
)
@click.option(
    "--adaptivity",
    type=click.Choice(["none", "first-change", "full"]),
    default="none",
    show_default=True,
    help="What authors learn between uses: nothing, that one passed (and the holdout is replaced), all.",
)
@click.option("--reliability", type=float, help="With --tolerance: 1 - delta of ease.ml/ci, such as 0.9999.")
@click.option("--tolerance", type=float, help="With --reliability: how far off a difference may be.")
@output_options
def plan(**options: Any) -> int:
    """Say how many labelled rows a holdout needs.

    \b
    For one use:    mlops-ci plan --margin 0.01 --disagreement 0.06
    As ease.ml/ci:  mlops-ci plan --margin .01 --disagreement .1 --uses 32 --reliability .9999 --tolerance .01
    """
    from mlops_ci.commands.plan import plan as run_plan  # noqa: PLC0415
    from mlops_ci.core.gate.plan import Question  # noqa: PLC0415

    names = ("margin", "disagreement", "power", "alpha", "uses", "reliability", "tolerance")
    question = Question(
        **{name: options[name] for name in names}, adaptivity=options["adaptivity"].replace("-", "_")
    )
    show([run_plan(question)], options, {})
    return 0
