"""The verb `demo`."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from mlops_ci.cli.demo_runner import call
from mlops_ci.demo.repository import DemoRepository
from mlops_ci.demo.story import Story, timed
from mlops_ci.errors import UsageError

step = partial(timed, click.echo)

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
@click.option("--loop", is_flag=True, help="The whole circle, on eight months of real bicycle rentals.")
def demo(folder: Path, *, loop: bool) -> int:
    """Try it: a throw-away repository, a champion, and three changes to it.

    Everything is real and local: git, a three-stage DVC pipeline on the 1,797 handwritten digits that ship
    with scikit-learn, a DVC remote in a folder, and MLflow in a sqlite file. It takes under a minute.

    With --loop, a few minutes: new data, check, promotion, a canary that is rolled back by itself, drift, a
    retraining that is triggered once, and a page with the timeline.

    \b
    The gate:             mlops-ci demo
    The whole circle:     mlops-ci demo --loop
    Elsewhere:            mlops-ci demo --dir /tmp/demo
    """
    _require_local_parts()
    return _loop(folder) if loop else _gate(folder)


def _gate(folder: Path) -> int:
    repository = DemoRepository(folder)
    with step(f"1/5  Making a repository with a DVC pipeline in {repository.folder}"):
        repository.make()
    with step("2/5  Running the pipeline, pushing data to the DVC remote and code to the git remote"):
        repository.first_version()
    with step("3/5  Taking the model of main in as the champion:  mlops-ci adopt --from-pipeline"):
        call(repository, "adopt", "--from-pipeline", report="champion")
    codes = {}
    for name, (edits, message, _) in CHANGES.items():
        with step(f"4/5  Branch '{name}': {message}"):
            repository.branch(name, edits, message)
            codes[name] = call(repository, "check", "--target", "main", report=name)
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


def _loop(folder: Path) -> int:
    """Run the whole loop; the page is written even if a step did not end as expected."""
    from mlops_ci.demo.bikes import BIKES  # noqa: PLC0415
    from mlops_ci.demo.loop import START, Loop  # noqa: PLC0415
    from mlops_ci.demo.page import write_page  # noqa: PLC0415
    from mlops_ci.demo.production import Production, written  # noqa: PLC0415

    repository = DemoRepository(folder, BIKES)
    production = Production(repository, START)

    def verb(*arguments: str, report: str) -> tuple[int, dict[str, Any]]:
        code = call(repository, *arguments, report=report, clock=production.clock)
        return code, json.loads((repository.reports / f"{report}.json").read_text(encoding="utf-8"))

    story = Story(verb=verb, say=click.echo, reports=repository.reports, clock=production.clock)
    begun = time.monotonic()
    try:
        Loop(repository, production, story).run()
    finally:
        if story.steps:
            page = write_page(repository, story, written(START), written(production.now))
            click.echo(f"\nThe timeline, with every report: {page}")
    python = Path(sys.executable).parent
    took = time.monotonic() - begun
    click.echo(_LOOP_FAREWELL.format(took=took, work_tree=repository.work_tree, python=python))
    return 0


_LOOP_FAREWELL = """{took:.0f} seconds. Look around:
  cd {work_tree}
  export PATH={python}:$PATH
  mlops-ci lineage                            # every version, and all that happened to it
  mlops-ci canary status
  git log --oneline --graph
  git log -p origin/mlops-ci-ledger           # the ledger, line by line
"""


def _require_local_parts() -> None:
    """Raise if optional packages are missing, before anything is written."""
    missing = [name for name in ("dvc", "mlflow", "sklearn", "sqlalchemy") if find_spec(name) is None]
    if missing:
        remedy = "install `mlops-ci[local]`: DVC, and MLflow with its database"
        raise UsageError(f"the demo needs {', '.join(missing)}", remedy=remedy)
