"""Verbs on data: `drift` and `profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlops_ci.adapters.files import write_atomic
from mlops_ci.cli.delivery import show
from mlops_ci.cli.options import output_options
from mlops_ci.errors import EvidenceError, UsageError

if TYPE_CHECKING:
    from mlops_ci.core.policy import OnDrift

_multivariate = click.option(
    "--multivariate", is_flag=True, help="Also train a classifier to tell the two sides' rows apart."
)


@click.command()
@click.argument("reference", required=False)
@click.argument("current", required=False)
@click.option(
    "--config", default="mlops-ci.yaml", envvar="MLOPS_CI_CONFIG", help="Settings file, if there is one."
)
@click.option("--sensitivity", type=click.Choice(["default", "high"]), help="`high` also finds small drift.")
@click.option("--target", "label", help="Column of labels: its drift is label drift.")
@click.option("--prediction", help="Column of predictions: its drift is prediction drift.")
@click.option(
    "--on-drift", type=click.Choice(["ignore", "warn", "approve", "block"]), help="What drift does."
)
@_multivariate
@output_options
def drift(reference: str | None, current: str | None, **options: Any) -> int:
    """Compare CURRENT data with REFERENCE data, and say which columns changed.

    Each side is a file, a folder, a glob, an s3:// or gs:// address, path@REVISION of data that DVC
    tracks, or a profile. Without arguments: drift.reference and drift.current of mlops-ci.yaml.

    \b
    Two files:          mlops-ci drift train.parquet production.parquet
    An older version:   mlops-ci drift data/train.csv@v1.2 data/train.csv
    From a profile:     mlops-ci drift profile.json production.parquet
    """
    from mlops_ci.api_drift import drift as compare  # noqa: PLC0415
    from mlops_ci.commands import drift as drift_command  # noqa: PLC0415

    config = Path(options["config"])
    given: dict[str, Any] = {}
    on_drift: OnDrift = "warn"
    if config.is_file():
        from mlops_ci.settings import read_settings  # noqa: PLC0415

        one = read_settings(config.read_bytes(), str(config))[0]
        reference, current = reference or one.drift.reference, current or one.drift.current
        on_drift = one.gate.on_drift
        given = drift_command.options_of(one)
    if not reference or not current:
        raise UsageError(
            "there is nothing to compare",
            remedy="name both: mlops-ci drift REFERENCE CURRENT, or set drift.* in mlops-ci.yaml",
        )
    overrides = {
        "sensitivity": options["sensitivity"],
        "target": options["label"],
        "prediction": options["prediction"],
    }
    given |= {key: value for key, value in overrides.items() if value is not None}
    given["multivariate"] = options["multivariate"] or given.get("multivariate", False)
    report = drift_command.run(
        reference, current, compare, options=given, on_drift=options["on_drift"] or on_drift
    )
    show([report], options, {})
    return report.exit_code


@click.command()
@click.argument("data")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("profile.json"),
    show_default=True,
    help="Where to write the profile.",
)
@click.option(
    "--min-count", type=click.IntRange(1), default=10, show_default=True, help="Leave rarer values out."
)
def profile(data: str, output: Path, min_count: int) -> int:
    """Keep what `drift` needs of DATA in a small JSON file, so that its rows are not needed again.

    \b
    At training time:   mlops-ci profile data/train.parquet -o profile.json
    In monitoring:      mlops-ci drift profile.json today.parquet
    """
    from mlops_ci.api_drift import profile as make  # noqa: PLC0415
    from mlops_ci.commands import profile as profile_command  # noqa: PLC0415

    made = make(data).stored(min_count)
    text = made.to_json(min_count)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(output, text)
    except OSError as problem:
        raise EvidenceError(
            f"{output} cannot be written: {problem.strerror}", remedy="choose another place"
        ) from problem
    report = profile_command.run(made, str(output), len(text.encode()))
    show([report], {"form": "text"}, {})
    return 0
