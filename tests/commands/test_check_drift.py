"""The drift section of `mlops-ci check`: profiles travel with the evidence, the policy decides."""

import random

import pytest
from guarded_repo import SETTINGS, GuardedRepo

DRIFT = "drift: {reference: data/prepared/train.csv, current: data/production.csv}\n"


def production(shift: float) -> str:
    draw = random.Random(42)
    rows = [f"{i},{draw.random() + shift:.4f},{i % 2}" for i in range(1000, 2000)]
    return "\n".join(["id,x,y", *rows]) + "\n"


@pytest.mark.parametrize(("policy", "code"), [("warn", 0), ("approve", 3), ("block", 1), ("ignore", 0)])
def test_drifted_data_do_what_the_policy_says(policy: str, code: int, guarded: GuardedRepo) -> None:
    settings = SETTINGS + DRIFT + f"gate: {{on_drift: {policy}}}\n"
    guarded.settle(**{"mlops-ci.yaml": settings, "data/production.csv": production(2.0)})
    guarded.change(**{"README.md": "x"})
    done = guarded.check()
    assert done.code == code, done.json
    if policy == "ignore":
        assert done.json["drift"] is None
    else:
        assert done.json["drift"]["drifted"]
        assert "The data drifted: `" in str(done.json["notices"])
        assert {"name", "drifted", "effect", "effect_size", "pvalue"} <= set(done.json["drift"]["columns"][0])
