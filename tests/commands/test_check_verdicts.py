"""`mlops-ci check` on a real repository: what each kind of change comes to."""

from guarded_repo import SETTINGS, GuardedRepo

PREDICTIONS = "reports/predictions.csv"


def test_a_worse_model_blocks(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.9)
    done = guarded.check()
    assert done.code == 1, done.err
    report = done.json
    assert (report["verdict"], report["exit_code"], report["command"]) == ("fail", 1, "check")
    (finding,) = report["findings"]
    assert finding["outcome"] == "worse"
    assert finding["difference"] < -0.2
    assert finding["interval"][1] < -0.05
    assert "accuracy falls from" in report["summary"]
    assert report["champion"]["version"] == "1"
    assert report["candidate"]["run_id"]
    assert report["lineage"]["git_commit"] == guarded.repo.git("rev-parse", "HEAD")
    assert [stage["state"] for stage in report["stages"]] == ["skipped", "ran", "ran"]
    assert report["lineage"]["data"][0]["path"] == "data/raw.csv"


def test_a_better_model_passes(guarded: GuardedRepo) -> None:
    guarded.settle(**{"params.yaml": "train:\n  threshold: 0.9\n"})
    # The champion stays the good one: what is compared is the registry's model, not main's.
    guarded.change(threshold=0.5)
    assert guarded.check().code == 0


def test_documentation_leaves_the_model_unchanged(guarded: GuardedRepo) -> None:
    guarded.change(**{"README.md": "More words.\n"})
    done = guarded.check()
    assert done.code == 0
    assert done.json["verdict"] == "pass"
    assert {finding["outcome"] for finding in done.json["findings"]} == {"unchanged"}
    assert "ran" not in {stage["state"] for stage in done.json["stages"]}


def test_the_same_predictions_are_unchanged(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.5001)
    report = guarded.check().json
    assert (report["verdict"], report["findings"][0]["outcome"]) == ("pass", "unchanged")


def test_a_small_loss_is_held_where_the_rows_cannot_tell(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.585)
    done = guarded.check()
    report = done.json
    assert (done.code, report["verdict"]) == (3, "inconclusive")
    assert report["findings"][0]["rows_needed"] > report["holdout"]["n"]
    assert "write access" in report["next_step"]


def test_without_a_champion_a_check_passes_and_says_so(unguarded: GuardedRepo) -> None:
    unguarded.change(threshold=0.9)
    done = unguarded.check()
    assert (done.code, done.json["verdict"], done.json["champion"]) == (0, "pass", None)
    assert "mlops-ci adopt" in str(done.json["notices"])


def test_without_a_champion_absolute_limits_hold(unguarded: GuardedRepo) -> None:
    limited = SETTINGS.replace("{margin: 0.05}", "{margin: 0.05, minimum: 0.8}")
    unguarded.settle(**{"mlops-ci.yaml": limited})
    unguarded.change(threshold=0.9)
    done = unguarded.check()
    assert (done.code, done.json["verdict"], done.json["champion"]) == (1, "fail", None)
    assert [one["versus"] for one in done.json["findings"]] == ["limit"]
    assert "the minimum of 0.80 is broken" in done.json["findings"][0]["message"]
    unguarded.repo.write("params.yaml", "train:\n  threshold: 0.5\n")
    unguarded.repo.commit()
    assert unguarded.check().code == 0


def test_no_champion_blocks_where_the_policy_says_so(unguarded: GuardedRepo) -> None:
    unguarded.settle(**{"mlops-ci.yaml": SETTINGS + "gate: {on_no_champion: block}\n"})
    unguarded.change(threshold=0.6)
    assert unguarded.check().code == 1


def test_an_identical_check_makes_no_second_run_and_is_not_counted(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.9)
    first, second = guarded.check().json, guarded.check().json
    assert first["candidate"]["run_id"] == second["candidate"]["run_id"]
    assert first["holdout"]["uses"] == second["holdout"]["uses"] == 1


def test_dry_run_keeps_nothing(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.9)
    report = guarded.check("--dry-run").json
    assert report["candidate"]["run_id"] is None
    assert [action["applied"] for action in report["actions"]] == [False]


def test_two_jobs_come_to_the_same_verdict(guarded: GuardedRepo) -> None:
    guarded.change(threshold=0.9)
    evidence = guarded.repo.root.parent / "evidence"
    assert guarded.call("reproduce", "--evidence", str(evidence)).code == 0
    fresh = guarded.repo.root.parent / "fresh"
    guarded.repo.git("clone", "-q", str(guarded.repo.root), str(fresh))
    guarded.repo.run("git", "-C", str(fresh), "branch", "-q", "main", "origin/main")
    done = guarded.call(
        "check", "--format", "json", "--evidence", str(evidence), "--target", "main", folder=fresh
    )
    assert done.code == 1, done.err
    assert done.json["findings"][0]["outcome"] == "worse"
    assert not (fresh / "reports" / "predictions.csv").exists()


def test_several_models_in_one_repository_and_the_gravest_decides(guarded: GuardedRepo) -> None:
    block = "".join(f"  {line}\n" for line in SETTINGS.splitlines())
    other = block.replace("moons", "other").replace("  registry", "- registry", 1)
    guarded.settle(**{"mlops-ci.yaml": "models:\n" + block.replace("  registry", "- registry", 1) + other})
    guarded.change(threshold=0.9)
    done = guarded.call("check", "--format", "json")
    assert done.code == 1
    assert [(one["model"], one["exit_code"]) for one in done.json] == [("moons", 1), ("other", 0)]  # type: ignore[attr-defined]
    assert guarded.check("--model", "other").code == 0


def test_the_embedded_champion_can_be_adopted_by_hand(unguarded: GuardedRepo) -> None:
    assert unguarded.call("adopt", "--from-pipeline").code == 0
    again = unguarded.call("adopt", "--from-pipeline")
    assert again.code == 2
    assert "has a champion already: version 1" in again.err
    assert "nothing to take in" in unguarded.call("adopt", "--version", "1").err
    assert unguarded.call("adopt", "--version", "9").code == 5
    scalars = unguarded.call("adopt", "--version", "1", "--metric", "accuracy=0.9", "--dry-run")
    assert "would do" in scalars.out
