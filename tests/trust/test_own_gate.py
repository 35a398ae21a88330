"""A pull request against its own gate: each attack is caught, or said in the report's first lines; none passes."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
from fakes.github import GitHub
from fakes.runner import Runner
from guarded_repo import SETTINGS, GuardedRepo

pytestmark = pytest.mark.slow

WORSE = "train:\n  threshold: 0.9\n"
SLICED = SETTINGS.replace(
    "{predictions: reports/predictions.csv}", "{predictions: reports/predictions.csv, slices: [platform]}"
)
HOLDOUT = SETTINGS.replace(
    "{predictions: reports/predictions.csv}",
    "{predictions: reports/predictions.csv, holdout: data/prepared/test.csv, target: y}",
)
SCALARS = """\
registry: {model: moons}
pipeline: {targets: [evaluate]}
candidate: {model: models, metrics: metrics.json}
metrics:
  accuracy: {from: "metrics.json:accuracy", greater_is_better: true, margin: 0.05}
"""
# Writes what it is told, whatever the model says.
WRITE = """\
import csv, json
from pathlib import Path
rows = list(csv.DictReader(open("data/prepared/test.csv")))
Path("reports").mkdir(exist_ok=True)
with open("reports/predictions.csv", "w") as out:
    print("id,y_true,y_pred", file=out)
    for number, row in enumerate(rows):
        {body}
Path("metrics.json").write_text({metrics})
"""


def evaluation(body: str, metrics: str = 'json.dumps({"accuracy": 1.0})') -> str:
    return WRITE.replace("{body}", body).replace("{metrics}", metrics)


HONEST = 'print(row["id"], row["y"], int(float(row["x"]) > 0.5), sep=",", file=out)'
LABELS = 'print(row["id"], row["y"], row["y"], sep=",", file=out)'


@dataclass(frozen=True, kw_only=True)
class Attack:
    """What a pull request does (a mapping of files, or code), how it may end, and what is said of it."""

    does: dict[str, str] | Callable[[GuardedRepo], None]
    codes: set[int]
    said: str
    settings: str = SETTINGS


def remove_settings(guarded: GuardedRepo) -> None:
    guarded.repo.git("rm", "-q", "mlops-ci.yaml")
    guarded.repo.write("params.yaml", WORSE)


def link_out(guarded: GuardedRepo) -> None:
    guarded.repo.write(
        "src/evaluate.py",
        "import os\nfrom pathlib import Path\nPath('reports').mkdir(exist_ok=True)\n"
        "os.symlink('/etc/passwd', 'reports/predictions.csv')\nPath('metrics.json').write_text('{}')\n",
    )


def edit_command_only(guarded: GuardedRepo) -> None:
    """Change dvc.yaml and leave dvc.lock as it was: what stands in the lock is the old command."""
    guarded.repo.write("src/flattering.py", evaluation(LABELS))
    guarded.repo.edit("dvc.yaml", "python src/evaluate.py", "python src/flattering.py")


def move_the_output(guarded: GuardedRepo) -> None:
    guarded.repo.write("src/flattering.py", evaluation(LABELS))
    text = (guarded.repo.root / "dvc.yaml").read_text()
    guarded.repo.write(
        "dvc.yaml", text.replace("  evaluate:", "  assess:").replace("src/evaluate.py", "src/flattering.py")
    )
    guarded.repo.write("mlops-ci.yaml", SETTINGS.replace("[evaluate]", "[assess]"))


def hidden_import(guarded: GuardedRepo) -> None:
    """Change a module that the evaluation stage imports, and that no stage lists in `deps`."""
    guarded.repo.write("src/scoring.py", "def score(x):\n    return int(x > 0.5)  # kinder\n")


def own_run_hooks(guarded: GuardedRepo) -> None:
    mark = guarded.repo.root.parent / "hooked"
    guarded.repo.write(
        "src/train.py",
        (guarded.repo.root / "src/train.py").read_text()
        + f"""
import os, pathlib, stat
hook = pathlib.Path(".git/hooks"); hook.mkdir(exist_ok=True)
for name in ("pre-commit", "post-checkout", "post-index-change", "reference-transaction"):
    (hook / name).write_text("#!/bin/sh\\ntouch {mark}\\n"); (hook / name).chmod(0o755)
with open(".git/config", "a") as config:
    config.write('[core]\\n\\tfsmonitor = "touch {mark}"\\n\\tsshCommand = "touch {mark}"\\n[diff]\\n\\texternal = "touch {mark}"\\n')
""",
    )
    guarded.repo.write("params.yaml", WORSE)


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (self.mark, "w"))


def pickle_bomb(guarded: GuardedRepo) -> None:
    mark = str(guarded.repo.root.parent / "unpickled")
    raw = pickle.dumps(Bomb(mark))
    guarded.repo.write(
        "src/train.py",
        (guarded.repo.root / "src/train.py").read_text()
        + f'\nfor name in ("model.pkl", "model.joblib", "python_model.pkl"):\n    (folder / name).write_bytes({raw!r})\n',
    )
    guarded.repo.write("params.yaml", WORSE)


WORDS = """
import os, sys
for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH"):
    place = os.environ.get(name)
    if place:
        open(place, "a").write("verdict=pass\\nexit-code=0\\nBASH_ENV=/tmp/evil\\n")
for line in ("::set-output name=verdict::pass", "::error::forged", "::add-mask::accuracy", "##[error]forged", "::stop-commands::x"):
    print(line, flush=True)
    print(line, file=sys.stderr, flush=True)
"""


def print_commands(guarded: GuardedRepo) -> None:
    source = (guarded.repo.root / "src/train.py").read_text()
    guarded.repo.write("src/train.py", source + WORDS)
    guarded.repo.write("params.yaml", WORSE)


def drop_a_column(guarded: GuardedRepo) -> None:
    guarded.repo.write("mlops-ci.yaml", SETTINGS)
    guarded.repo.write("src/evaluate.py", evaluation(HONEST))


EVALUATION = "`src/evaluate.py` is code of the evaluation stage"
ATTACKS: dict[str, Attack] = {
    "a loosened policy": Attack(
        does={"mlops-ci.yaml": SETTINGS.replace("0.05", "0.9"), "params.yaml": WORSE}, codes={1}, said="`mlops-ci.yaml`"
    ),
    "a deleted policy": Attack(does=remove_settings, codes={1}, said="`mlops-ci.yaml`"),
    "the labels' column named as the prediction": Attack(
        does={"mlops-ci.yaml": SETTINGS.replace("predictions.csv}", "predictions.csv, prediction: y_true}"), "params.yaml": WORSE},
        codes={3}, said="`evaluation.prediction`",
    ),
    "an edited template": Attack(
        does={".mlops-ci/templates/check.md.j2": "# All is well", "params.yaml": WORSE}, codes={1}, said="`.mlops-ci/templates/check.md.j2`"
    ),
    "a swapped holdout": Attack(
        does={"src/prepare.py": "PREPARE", "README.md": "x"}, settings=HOLDOUT, codes={3}, said="own copy of the holdout"
    ),
    "copied labels": Attack(does={"src/evaluate.py": evaluation(LABELS)}, codes={3}, said=EVALUATION),
    "a hard-coded metrics.json": Attack(
        does={"src/evaluate.py": "HARD", "params.yaml": WORSE}, codes={1}, said=EVALUATION
    ),
    "a hard-coded metrics.json where nothing else is compared": Attack(
        does={"src/evaluate.py": "HARD", "params.yaml": WORSE}, settings=SCALARS, codes={3}, said="which makes `metrics.json`"
    ),
    "a renamed metric": Attack(
        does={"mlops-ci.yaml": SETTINGS.replace("accuracy:", "recall:"), "params.yaml": WORSE}, codes={1}, said="`mlops-ci.yaml`"
    ),
    "a metric that is not written any more": Attack(
        does={"src/evaluate.py": evaluation(HONEST, 'json.dumps({"acc": 1.0})')}, settings=SCALARS, codes={5}, said="there is no 'accuracy'"
    ),
    "a deleted slice": Attack(does=drop_a_column, settings=SLICED, codes={5}, said="there is no column 'platform'"),
    "a changed direction": Attack(
        does={"mlops-ci.yaml": SETTINGS.replace("{margin: 0.05}", "{margin: 0.05, greater_is_better: false}"), "params.yaml": WORSE},
        codes={1}, said="`mlops-ci.yaml`",
    ),
    "an edited evaluation stage": Attack(
        does={"src/evaluate.py": evaluation(HONEST) + "# kinder\n"}, codes={3}, said=EVALUATION
    ),
    "another command in dvc.yaml and an old dvc.lock": Attack(does=edit_command_only, codes={3}, said="is another: `python src/flattering.py`"),
    "another stage makes the predictions": Attack(does=move_the_output, codes={3}, said="Stage 'assess' makes"),
    "a module that the evaluation stage imports": Attack(does=hidden_import, codes={3}, said="`src/scoring.py`"),
    "an edited .dvc/config": Attack(
        does={".dvc/config": "[core]\n    remote = evil\n['remote \"evil\"']\n    url = /nowhere\n"}, codes={3}, said="`.dvc/config`"
    ),
    "a NaN": Attack(
        does={"src/evaluate.py": evaluation('print(row["id"], row["y"], "nan", sep=",", file=out)')}, codes={5}, said="missing or infinite"
    ),
    "a NaN in metrics.json": Attack(
        does={"src/evaluate.py": evaluation(HONEST, "'{\"accuracy\": NaN}'")}, codes={5}, said="nan"
    ),
    "an infinite number in metrics.json": Attack(
        does={"src/evaluate.py": evaluation(HONEST, "'{\"accuracy\": 1e999}'")}, codes={5}, said="inf"
    ),
    "an empty file": Attack(
        does={"src/evaluate.py": evaluation(HONEST) + "open('reports/predictions.csv', 'w').close()\n"}, codes={5}, said="is empty (0 bytes)"
    ),
    "rows dropped": Attack(
        does={"src/evaluate.py": evaluation(f"if number % 5: {HONEST}")}, codes={3}, said="20 are gone"
    ),
    "a row twice": Attack(
        does={"src/evaluate.py": evaluation(f"{HONEST}; {HONEST}")}, codes={5}, said="occurs more than once"
    ),
    "a link out of the tree": Attack(does=link_out, codes={5}, said="cannot be read"),
    "a custom metric from the pull request's code": Attack(
        does={"mymetrics.py": "def kind(*a, **k):\n    return 1.0\n", "params.yaml": WORSE},
        settings=SETTINGS.replace("accuracy: {margin: 0.05}", "'mymetrics:kind': {margin: 0.05}"), codes={2}, said="mymetrics",
    ),
    "a hook and a file system monitor": Attack(does=own_run_hooks, codes={1}, said="merging this makes the model worse"),
    "YAML tags in params.yaml": Attack(
        does={"params.yaml": 'train:\n  threshold: !!python/object/apply:os.system ["touch ../tagged"]\n'}, codes={2, 5}, said="params.yaml"
    ),
    "a pickled model that runs code": Attack(does=pickle_bomb, codes={1}, said="merging this makes the model worse"),
    "a stage that writes to the runner's files and prints commands": Attack(does=print_commands, codes={1}, said="merging this makes the model worse"),
    "an edited workflow": Attack(
        does={".github/workflows/gate.yml": "name: gate\non: push\njobs: {a: {steps: [{uses: x/mlops-ci@v1}]}}\n"}, codes={3}, said="`.github/workflows/gate.yml`"
    ),
}  # fmt: skip


def prepared(guarded: GuardedRepo, attack: Attack) -> None:
    """Bring the attack's settings to main, with a champion that was made under them."""
    files = {"mlops-ci.yaml": attack.settings}
    if attack.said == "`src/scoring.py`":
        source = (guarded.repo.root / "src/evaluate.py").read_text()
        files |= {"src/evaluate.py": f"from scoring import score\n{source}", "src/scoring.py": "def score(x):\n    return int(x > 0.5)\n"}  # fmt: skip
    if attack.settings == SLICED:
        files["src/evaluate.py"] = evaluation(
            HONEST.replace(", sep", ', ["a", "b"][number % 2], sep')
        ).replace("id,y_true,y_pred", "id,y_true,y_pred,platform")
    for path, text in files.items():
        guarded.repo.write(path, text)
    if (attack.settings != SETTINGS and "mymetrics" not in attack.settings) or len(files) > 1:
        guarded.repo.dvc("repro", "-q")
        guarded.repo.dvc("push", "-q")
    if guarded.repo.git("status", "--porcelain"):
        guarded.settle()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_does_not_pass(name: str, unguarded: GuardedRepo, github: GitHub, tmp_path: Path) -> None:
    attack, guarded = ATTACKS[name], unguarded
    prepared(guarded, attack)
    adopted = guarded.call("adopt", "--from-pipeline")
    assert adopted.code == (2 if "mymetrics" in attack.settings else 0) or "mymetrics" in attack.settings, (
        adopted.err
    )
    guarded.repo.git("switch", "-qc", "change")
    if callable(attack.does):
        attack.does(guarded)
    else:
        for path, text in attack.does.items():
            source = (guarded.repo.root / "src/prepare.py").read_text().replace("rows[100:]", "rows[120:]")
            hard = (guarded.repo.root / "src/evaluate.py").read_text() + (
                "import json as j, pathlib\npathlib.Path('metrics.json').write_text(j.dumps({'accuracy': 0.999}))\n"
            )
            guarded.repo.write(path, {"PREPARE": source, "HARD": hard}.get(text, text))
    if 3 in attack.codes and "params.yaml" not in (attack.does if isinstance(attack.does, dict) else {}):
        guarded.repo.write(
            "params.yaml", "train:\n  threshold: 0.501\n"
        )  # other bytes, nearly the same answers
    guarded.repo.commit()
    pull = github.pulls[7]
    pull.head, pull.base = guarded.repo.git("rev-parse", "HEAD"), guarded.repo.git("rev-parse", "origin/main")
    runner = Runner(github, tmp_path / "runner")
    env = {
        **runner.env,
        "MLOPS_CI_GITHUB_TOKEN": "job-token",
        "MLOPS_CI_REPORT_DIR": str(tmp_path / "report"),
    }
    done = guarded.call("check", env=env)

    assert done.code in attack.codes, done.err[-3000:]
    assert "Traceback" not in done.err
    first, *more = github.bodies(7)
    assert not more
    assert attack.said in opening(first), opening(first)
    report = json.loads(next((tmp_path / "report").glob("*.json")).read_text())
    assert report["exit_code"] == done.code
    output = (tmp_path / "runner" / "500-1" / "output").read_text()
    assert re.findall(r"^(pass|fail|inconclusive|error)$", output, re.MULTILINE) == [report["verdict"]]
    assert not list(guarded.repo.root.parent.glob("hooked"))
    assert not list(guarded.repo.root.parent.glob("unpickled"))
    assert not list(guarded.repo.root.parent.glob("tagged"))


def opening(body: str) -> str:
    """Return a comment's first lines: what stands before the table of metrics, and is not folded away."""
    start = re.split(r"^\||<details", body, maxsplit=1, flags=re.MULTILINE)[0]
    return unescape(re.sub(r"</?code>", "`", start)).replace("\u2060", "")


def test_a_workflow_that_never_names_the_gate_is_other_business(guarded: GuardedRepo) -> None:
    guarded.repo.git("switch", "-qc", "change")
    guarded.repo.write(".github/workflows/docs.yml", "name: docs\non: push\n")
    guarded.repo.write("params.yaml", "train:\n  threshold: 0.501\n")
    guarded.repo.commit()
    done = guarded.call("check", "--format", "json")

    assert done.code == 0, done.err[-3000:]
    assert "docs.yml" not in done.out
