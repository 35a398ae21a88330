"""With `evaluation.holdout`, labels are the target branch's: in git, in DVC, and not a change's own."""

from guarded_repo import SETTINGS, GuardedRepo

HOLDOUT = SETTINGS.replace(
    "{predictions: reports/predictions.csv}",
    "{predictions: reports/predictions.csv, holdout: data/prepared/test.csv, target: y}",
)
# An evaluation stage that writes what it predicts as the truth.
FLATTERING = """\
import csv, json
from pathlib import Path
rows = list(csv.DictReader(open("data/prepared/test.csv")))
Path("reports").mkdir(exist_ok=True)
with open("reports/predictions.csv", "w") as out:
    print("id,y,y_pred", file=out)
    for row in rows:
        print(row["id"], 0, 0, sep=",", file=out)
Path("metrics.json").write_text(json.dumps({"accuracy": 1.0}))
"""


def test_copied_labels_do_not_help(unguarded: GuardedRepo) -> None:
    unguarded.settle(**{"mlops-ci.yaml": HOLDOUT})
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    unguarded.change(**{"src/evaluate.py": FLATTERING, "params.yaml": "train:\n  threshold: 0.7\n"})
    done = unguarded.check()
    assert done.code == 1, done.json["summary"]
    assert done.json["findings"][0]["candidate"] < 0.7
    assert "touches its own gate" in str(done.json["notices"])


def test_labels_that_are_the_target_branchs_need_no_approval(unguarded: GuardedRepo) -> None:
    unguarded.settle(**{"mlops-ci.yaml": HOLDOUT})
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    unguarded.change(threshold=0.9)
    done = unguarded.check()
    assert done.code == 1
    assert not [notice for notice in done.json["notices"] if notice["level"] == "danger"]


def test_a_holdout_that_the_change_makes_anew_needs_approval(unguarded: GuardedRepo) -> None:
    unguarded.settle(**{"mlops-ci.yaml": HOLDOUT})
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    source = (unguarded.repo.root / "src/prepare.py").read_text()
    unguarded.change(**{"src/prepare.py": source.replace("rows[100:]", "rows[120:]"), "README.md": "x"})
    done = unguarded.check()
    assert done.code == 3, done.json["summary"]
    assert "this change's own copy of the holdout" in str(done.json["notices"])


def weighed(repo: GuardedRepo) -> dict[str, str]:
    """Return the files of an evaluation with weights, which hide the wrong rows of a worse model."""
    source = (repo.repo.root / "src/evaluate.py").read_text()
    source = source.replace('"y_pred"]', '"y_pred", "w"]').replace(
        'row["y"], predicted]',
        'row["y"], predicted, threshold + (predicted == int(row["y"])) * (threshold > 0.8)]',
    )
    columns = "{predictions: reports/predictions.csv, weight: w}"
    settings = SETTINGS.replace("{predictions: reports/predictions.csv}", columns)
    return {"mlops-ci.yaml": settings, "src/evaluate.py": source}


def test_weights_that_the_champion_does_not_have_need_approval(unguarded: GuardedRepo) -> None:
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    unguarded.settle(**weighed(unguarded))
    unguarded.change(threshold=0.5001)
    done = unguarded.check()
    assert done.code == 3
    assert "The weights of the holdout are new" in str(done.json["notices"])


def test_weights_that_a_change_moves_do_not_count(unguarded: GuardedRepo) -> None:
    unguarded.settle(**weighed(unguarded))
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    unguarded.change(threshold=0.5001)
    done = unguarded.check()
    assert (done.code, done.json["verdict"]) == (3, "pass")
    assert "The weights of the holdout changed" in str(done.json["notices"])
    unguarded.repo.write("params.yaml", "train:\n  threshold: 0.9\n")
    unguarded.repo.commit()
    assert unguarded.check().code == 1
