from dataclasses import asdict

import numpy as np
import pytest

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.formatting import decimals, limit
from mlops_ci.core.gate.compare import compare, compare_scalars
from mlops_ci.core.gate.messages import sentence
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Finding, Outcome, Result
from mlops_ci.core.wording import next_step


def pair(n, gained, lost):
    """Two models on n rows: each right on most, `gained` and `lost` rows differ."""
    ids = np.arange(n)
    target = np.zeros(n, dtype=int)
    champion, candidate = target.copy(), target.copy()
    champion[:gained] = 1
    candidate[gained : gained + lost] = 1
    one = evaluation(id=ids, target=target, prediction=champion)
    two = evaluation(id=ids, target=target, prediction=candidate)
    return one, two


def rule(margin=0.01, **more):
    return Policy(metrics={"accuracy": MetricPolicy(metric="accuracy", margin=margin)}, **more)


def test_a_proven_loss_fails():
    verdict = compare(*pair(4000, 10, 200), rule())
    (finding,) = verdict.findings
    assert verdict.verdict is Result.FAIL
    assert verdict.exit_code == 1
    assert finding.outcome is Outcome.WORSE
    assert finding.difference == pytest.approx(-190 / 4000)
    assert finding.interval[0] < finding.difference < finding.interval[1] < -0.01
    assert finding.adjusted_pvalue < 1e-6
    assert finding.message.startswith("accuracy falls from 0.998 to 0.950: a loss of 0.048")


def test_an_equal_model_on_enough_rows_passes():
    verdict = compare(*pair(5000, 40, 42), rule())
    assert verdict.verdict is Result.PASS
    assert verdict.exit_code == 0
    assert verdict.findings[0].outcome is Outcome.NON_INFERIOR


def test_a_gain_is_better():
    assert compare(*pair(5000, 90, 10), rule()).findings[0].outcome is Outcome.BETTER


def test_identical_predictions_are_unchanged():
    verdict = compare(*pair(20, 0, 0), rule())
    assert verdict.verdict is Result.PASS
    assert verdict.findings[0].outcome is Outcome.UNCHANGED
    assert "same prediction on all 20 rows" in verdict.findings[0].message


def test_same_bytes_are_unchanged_whatever_the_rows():
    assert compare(*pair(300, 0, 60), rule(), same_model=True).verdict is Result.PASS


@pytest.mark.parametrize(
    ("gained", "lost", "policy", "held", "blocked", "code"),
    [
        (3, 3, "auto", False, False, 0),
        (3, 9, "auto", True, False, 3),
        (3, 3, "approve", True, False, 3),
        (3, 9, "pass", False, False, 0),
        (3, 3, "block", False, True, 1),
    ],
)
def test_what_is_not_settled_follows_the_policy(gained, lost, policy, held, blocked, code):
    verdict = compare(*pair(300, gained, lost), rule(on_inconclusive=policy))
    assert verdict.verdict is Result.INCONCLUSIVE
    assert (verdict.held, verdict.blocked, verdict.exit_code) == (held, blocked, code)
    assert "Not settled: accuracy" in verdict.notices[0]
    assert verdict.findings[0].rows_needed > 300


def test_rows_that_do_not_match_are_an_error():
    champion, _ = pair(30, 1, 1)
    _, candidate = pair(31, 1, 1)
    verdict = compare(champion, candidate, rule())
    assert verdict.verdict is Result.ERROR
    assert verdict.exit_code == 5
    assert "1 are new ('30')" in verdict.findings[0].message


def test_changed_labels_are_an_error():
    champion, candidate = pair(30, 1, 1)
    flipped = candidate.target.copy()
    flipped[4] = 1
    other = evaluation(id=candidate.id, target=flipped, prediction=candidate.prediction)
    assert "the label of 1 of 30 rows" in compare(champion, other, rule()).findings[0].message


def test_an_empty_policy_is_not_a_pass():
    assert compare(*pair(3000, 1, 1), Policy(metrics={})).verdict is Result.ERROR


def test_bare_numbers_are_point_only():
    verdict = compare_scalars({"accuracy": 0.9}, {"accuracy": 0.895}, rule())
    (finding,) = verdict.findings
    assert (verdict.verdict, verdict.held) == (Result.INCONCLUSIVE, False)
    assert (finding.outcome, finding.method, finding.interval) == (Outcome.INCONCLUSIVE, "point only", None)
    assert compare_scalars({"accuracy": 0.9}, {"accuracy": 0.88}, rule()).held


def test_bare_numbers_fail_where_the_policy_says_so():
    strict = Policy(metrics={"accuracy": MetricPolicy(metric="accuracy", margin=0.05, on_point="fail")})
    assert compare_scalars({"accuracy": 0.9}, {"accuracy": 0.8}, strict).verdict is Result.FAIL
    # 0.85 against 0.80 with a margin of 0.05 is a loss of exactly the margin, whatever floats say.
    assert compare_scalars({"accuracy": 0.85}, {"accuracy": 0.8}, strict).verdict is Result.INCONCLUSIVE


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_missing_value_never_passes(value):
    candidate = {} if value is None else {"accuracy": value}
    assert compare_scalars({"accuracy": 0.9}, candidate, rule()).verdict is Result.ERROR


def test_a_sentence_rounds_as_the_table_does_and_never_the_margin():
    """By the width of the interval; what the team set is shown as it was set."""
    wide = Finding(
        metric="recall",
        outcome=Outcome.INCONCLUSIVE,
        champion=0.91234,
        candidate=0.90012,
        difference=-0.01222,
        interval=(-0.13, 0.1),
        margin=0.005,
        n=400,
    )
    text = sentence(wide)
    assert "looks 0.01 worse (90% interval −0.13 to +0.10), outside the 0.005 this team accepts" in text
    assert (decimals(wide), decimals(asdict(wide)), limit(asdict(wide))) == (2, 2, "0.005")


def test_an_unchanged_loss_still_points_downwards():
    policy = Policy(metrics={"log_loss": MetricPolicy(metric="log_loss", margin=0.01)})
    one = compare_scalars({"log_loss": 0.3}, {"log_loss": 0.3}, policy, same_model=True).findings[0]
    assert (one.outcome, one.greater_is_better) == (Outcome.UNCHANGED, False)


def test_an_open_gain_names_no_margin_and_single_numbers_ask_for_predictions():
    verdict = compare_scalars({"accuracy": 0.78}, {"accuracy": 0.8}, rule())
    assert verdict.findings[0].message == (
        "accuracy looks 0.020 better, but one number of each model cannot tell a real change from chance."
    )
    assert verdict.notices[-1].startswith("Not settled: accuracy. Single numbers cannot prove")
    assert "one row per id" in next_step(verdict, "", None, approvable=False)
