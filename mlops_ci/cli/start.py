"""Verbs for the first ten minutes: `demo`."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from mlops_ci.demo.repository import DemoRepository
from mlops_ci.errors import UsageError

# Name of the branch: what it changes, the commit's message, and what to expect.
CHANGES = {
    "worse": (
        {"params.yaml": ("components: 30", "components: 8")},
        "Keep 8 principal components instead of 30, to train faster",
        "the merge is blocked",
    ),
    "equal": (
        {"params.yaml": ("C: 1.0", "C: 0.8")},
        "Regularise a little more",
        "the merge is allowed",
    ),
    "better": (
        {
            "params.yaml": (
                "model: logistic\n  components: 30\n  C: 1.0",
                "model: svm\n  components: 30\n  C: 10.0",
            )
        },
        "Use a support vector machine",
        "the merge is allowed",
    ),
}


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("mlops-ci-demo"),
    show_default=True,
    help="Where to make the repository; it stays there for you to explore.",
)
def demo(folder: Path) -> int:
    """Try it: a throw-away repository, a champion, and three changes to it.

    Everything is real and local: git, a three-stage DVC pipeline on the 1,797 handwritten digits that ship
    with scikit-learn, a DVC remote in a folder, and MLflow in a sqlite file. It takes under a minute.

    \b
    Here:         mlops-ci demo
    Elsewhere:    mlops-ci demo --dir /tmp/demo
    """
    _require_local_parts()
    repository = DemoRepository(folder)
    with _step(f"1/5  Making a repository with a DVC pipeline in {repository.folder}"):
        repository.make()
    with _step("2/5  Running the pipeline, pushing data to the DVC remote and code to the git remote"):
        repository.first_version()
    with _step("3/5  Taking the model of main in as the champion:  mlops-ci adopt --from-pipeline"):
        _call(repository, "adopt", "--from-pipeline", report="champion")
    codes = {}
    for name, (edits, message, _) in CHANGES.items():
        with _step(f"4/5  Branch '{name}': {message}"):
            repository.branch(name, edits, message)
            codes[name] = _call(repository, "check", "--target", "main", report=name)
        click.echo((repository.reports / f"{name}.txt").read_text(encoding="utf-8"))
    click.echo("5/5  What the gate said\n")
    for name, code in codes.items():
        click.echo(f"  {name:8} exit code {code}   {repository.reports / name}.md")
    click.echo(_FAREWELL.format(work_tree=repository.work_tree, python=Path(sys.executable).parent))
    unexpected = [name for name, code in codes.items() if (code == 0) is (name == "worse")]
    return 1 if unexpected else 0


_FAREWELL = """
Look around:
  cd {work_tree}
  export PATH={python}:$PATH
  git switch worse && mlops-ci check          # the same check, in your terminal
  mlops-ci check --format markdown            # what a pull request would show
  mlops-ci report ../reports/worse.json --output worse.html
  mlflow ui --backend-store-uri sqlite:///mlflow.db     # the champion, and every candidate's run

For your own repository, see the README: one step in a workflow, and a mlops-ci.yaml.
"""


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    click.echo(f"{title} ...", nl=False)
    start = time.monotonic()
    try:
        yield
    except BaseException:
        click.echo(" failed")
        raise
    click.echo(f" {time.monotonic() - start:.1f} s")


def _call(repository: DemoRepository, *arguments: str, report: str) -> int:
    """Run one of our own verbs in the repository, as its user would, and keep its reports."""
    from mlops_ci.cli.main import cli  # noqa: PLC0415

    python = ["--pipeline-python", sys.executable]
    log = (repository.reports / f"{report}.log").open("w", encoding="utf-8")
    with log, contextlib.chdir(repository.work_tree), contextlib.redirect_stderr(log):
        place = repository.reports / f"{report}.json"
        code = cli.main([*arguments, *python, "--output", str(place)], standalone_mode=False)
        for suffix in ("txt", "md", "html"):
            cli.main(
                ["report", str(place), "--output", str(place.with_suffix(f".{suffix}"))],
                standalone_mode=False,
            )
    return int(code or 0)


def _require_local_parts() -> None:
    """Say at once what is missing, before anything is written."""
    missing = [name for name in ("dvc", "mlflow", "sklearn", "sqlalchemy") if find_spec(name) is None]
    if missing:
        remedy = "install `mlops-ci[local]`: DVC, and MLflow with its database"
        raise UsageError(f"the demo needs {', '.join(missing)}", remedy=remedy)
