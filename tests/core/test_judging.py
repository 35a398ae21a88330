"""Slices, limits, groups, gaps, reuse, total loss, columns, functions: each decided on purpose."""

import numpy as np
import pytest

from mlops_ci.core.evidence import evaluation
from mlops_ci.core.gate.compare import Results, compare
from mlops_ci.core.policy import MetricPolicy, Policy, Strict
from mlops_ci.core.verdict import Outcome, Result


def world(seed=0, n=4000, loss=0.0, where=None, **more):
    """A champion that is right on 90%, and a candidate that loses `loss` more where `where` holds."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    wrong = rng.random(n) < 0.07
    own = [rng.random(n) < 0.03 for _ in range(2)]
    extra = (rng.random(n) < loss) & (np.ones(n, dtype=bool) if where is None else where)
    first = np.where(wrong | own[0], 1 - target, target)
    second = np.where(wrong | own[1] | extra, 1 - target, target)
    common = {"id": np.arange(n), "target": target, **more}
    return evaluation(**common, prediction=first), evaluation(**common, prediction=second)


def policy(name="accuracy", margin=0.02, gate=None, **more):
    return Policy(metrics={name: MetricPolicy(metric=name, margin=margin, **more)}, **(gate or {}))


def find(verdict, part=None, versus="champion"):
    return next(f for f in verdict.findings if f.slice == part and f.versus == versus)


def test_a_loss_in_one_slice_fails_and_is_named():
    place = np.random.default_rng(9).choice(["android", "ios", "web"], 4000)
    pair = world(loss=0.15, where=place == "android", columns={"place": place})
    verdict = compare(*pair, policy(margin=0.06, slices=("place",)))
    assert verdict.verdict is Result.FAIL
    assert find(verdict).outcome is Outcome.NON_INFERIOR
    assert find(verdict, "place=android").outcome is Outcome.WORSE
    assert find(verdict, "place=ios").outcome is not Outcome.WORSE
    gap = next(f for f in verdict.findings if f.metric == "accuracy gap")
    assert not gap.gated
    assert "place=android" in gap.message


def test_an_open_slice_never_holds():
    place = np.where(np.arange(4000) < 40, "rare", "common")
    verdict = compare(*world(columns={"place": place}), policy(margin=0.012, slices=("place",)))
    assert find(verdict, "place=rare").outcome is Outcome.INCONCLUSIVE
    assert verdict.verdict is Result.PASS


def test_small_slices_are_said_to_be_left_out():
    place = np.where(np.arange(4000) < 5, "rare", "common")
    verdict = compare(*world(columns={"place": place}), policy(slices=("place",)))
    assert verdict.notices == ("1 slice of 'place' with fewer than 30 rows were not compared.",)


def test_a_slice_column_that_is_missing_is_an_error():
    verdict = compare(*world(), policy(slices=("place",)))
    assert verdict.verdict is Result.ERROR


def test_numbers_are_cut_into_bins():
    age = np.random.default_rng(3).integers(0, 90, 4000)
    verdict = compare(
        *world(columns={"age": age}), policy(slices=("age",), gate={"bins": {"age": (18.0, 65.0)}})
    )
    names = [f.slice for f in verdict.findings if f.slice and "gap" not in f.metric]
    assert names == ["age<18", "18<=age<65", "age>=65"]


@pytest.mark.parametrize(
    ("minimum", "outcome"),
    [(0.85, Outcome.NON_INFERIOR), (0.9, Outcome.INCONCLUSIVE), (0.95, Outcome.WORSE)],
)
def test_a_minimum_has_to_be_proven(minimum, outcome):
    finding = find(compare(*world(), policy(minimum=minimum)), versus="limit")
    assert (finding.outcome, finding.method, finding.limit) == (outcome, "Clopper-Pearson", minimum)


def test_limits_alone_do_not_judge_against_the_champion():
    verdict = compare(*world(), policy(margin=0.0, minimum=0.8))
    assert verdict.verdict is Result.PASS
    assert not find(verdict).gated


def test_a_relative_margin_is_a_share_of_the_champion():
    verdict = compare(*world(loss=0.01), policy(margin=0.05, relative=True))
    finding = find(verdict)
    assert finding.margin == pytest.approx(0.05 * finding.champion)
    assert finding.outcome is Outcome.NON_INFERIOR
    assert finding.method == "score interval of the paired ratio"


def test_groups_widen_the_interval():
    group = np.arange(4000) // 50
    rng = np.random.default_rng(1)
    hit = np.repeat(rng.random(80) < 0.15, 50)
    target = rng.integers(0, 2, 4000)
    first, second = target.copy(), np.where(hit, 1 - target, target)
    first[:5] = 1 - first[:5]
    common = {"id": np.arange(4000), "target": target}
    plain = find(
        compare(evaluation(**common, prediction=first), evaluation(**common, prediction=second), policy())
    )
    grouped = find(
        compare(
            evaluation(**common, prediction=first, group=group),
            evaluation(**common, prediction=second, group=group),
            policy(),
        )
    )
    assert np.ptp(grouped.interval) > 4 * np.ptp(plain.interval)


def test_fewer_than_twenty_groups_prove_nothing():
    finding = find(compare(*world(loss=0.3, group=np.arange(4000) // 250), policy()))
    assert finding.outcome is Outcome.INCONCLUSIVE
    assert "16 groups are too few" in finding.message


def test_one_class_only_is_an_error_overall():
    one = evaluation(id=np.arange(50), target=np.ones(50, int), score=np.linspace(0.1, 0.9, 50))
    two = evaluation(id=np.arange(50), target=np.ones(50, int), score=np.linspace(0.2, 0.8, 50))
    verdict = compare(one, two, policy("roc_auc"))
    assert verdict.verdict is Result.ERROR
    assert "there is no negative row" in verdict.findings[0].message


def test_constant_scores_have_an_area_of_a_half_and_prove_little():
    target = np.arange(60) % 2
    one = evaluation(id=np.arange(60), target=target, score=np.full(60, 0.5))
    two = evaluation(id=np.arange(60), target=target, score=np.full(60, 0.6))
    finding = find(compare(one, two, policy("roc_auc")))
    assert (finding.champion, finding.candidate, finding.difference) == (0.5, 0.5, 0.0)
    assert finding.outcome is Outcome.INCONCLUSIVE


def test_the_same_ranking_of_many_rows_is_no_worse():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 2000)
    score = rng.random(2000)
    one = evaluation(id=np.arange(2000), target=target, score=score)
    two = evaluation(id=np.arange(2000), target=target, score=score**2)
    assert find(compare(one, two, policy("roc_auc", margin=0.01))).outcome is Outcome.NON_INFERIOR


def test_any_column_with_an_aggregate():
    rng = np.random.default_rng(0)
    common = {"id": np.arange(800)}
    one = evaluation(**common, columns={"ndcg": rng.random(800), "ms": rng.lognormal(size=800)})
    two = evaluation(**common, columns={"ndcg": one.columns["ndcg"] - 0.1, "ms": one.columns["ms"] * 1.5})
    rules = Policy(
        metrics={
            "ndcg": MetricPolicy(metric="column", column="ndcg", greater_is_better=True, margin=0.02),
            "p95": MetricPolicy(
                metric="column", column="ms", aggregate="quantile:0.95", greater_is_better=False, margin=0.1
            ),
            "hits": MetricPolicy(
                metric="column", column="gone", greater_is_better=True, margin=0.1, gate=False
            ),
        }
    )
    found = {f.metric: f for f in compare(one, two, rules).findings}
    assert found["ndcg"].outcome is Outcome.WORSE
    assert found["ndcg"].difference == pytest.approx(-0.1)
    assert found["p95"].outcome is Outcome.WORSE
    assert found["hits"].outcome is Outcome.ERROR


def test_a_direction_is_never_guessed():
    one = evaluation(id=np.arange(9), columns={"ndcg": np.arange(9.0)})
    two = evaluation(id=np.arange(9), columns={"ndcg": np.arange(9.0)[::-1]})
    verdict = compare(one, two, policy("ndcg", column="ndcg"))
    assert "needs `greater_is_better`" in verdict.findings[0].message


@pytest.mark.parametrize("key", ["hits", "mine:hits"])
def test_the_users_own_function(key):
    def hits(y_true, y_pred):
        return float((y_true == y_pred).mean())

    rule = MetricPolicy(metric="mine:hits", greater_is_better=True, margin=0.02)
    verdict = compare(*world(n=1500, loss=0.1), Policy(metrics={"hits": rule}), functions={key: hits})
    finding = find(verdict)
    assert finding.outcome is Outcome.WORSE
    exact = find(compare(*world(n=1500, loss=0.1), policy()))
    assert finding.difference == pytest.approx(exact.difference)
    assert finding.interval == pytest.approx(exact.interval, abs=0.006)


def test_calibration_is_shown_and_not_judged():
    rng = np.random.default_rng(0)
    target = rng.integers(0, 2, 500)
    one, two = (evaluation(id=np.arange(500), target=target, score=rng.random(500)) for _ in range(2))
    finding = find(compare(one, two, policy("expected_calibration_error", gate=False)))
    assert finding.interval is None
    assert compare(one, two, policy("expected_calibration_error")).verdict is Result.ERROR


def test_strict_spends_alpha_over_the_uses():
    strict = {"strict": Strict(uses=4)}
    wide = find(compare(*world(), policy(gate=strict), uses=3)).interval
    plain = find(compare(*world(), policy(gate={"alpha": 0.0125}))).interval
    assert wide == plain
    spent = compare(*world(), policy(gate=strict), uses=4)
    assert spent.verdict is Result.ERROR
    assert "4 uses are spent" in spent.notices[0]


def test_full_adaptivity_tells_one_bit():
    strict = {"strict": Strict(uses=2, adaptivity="full")}
    verdict = compare(*world(n=40_000), policy(gate=strict))
    assert verdict.verdict is Result.PASS
    (finding,) = verdict.findings
    assert (finding.champion, finding.candidate, finding.interval, finding.pvalue) == (None, None, None, None)
    assert compare(*world(n=300), policy(gate=strict)).verdict is Result.FAIL


def test_a_much_used_holdout_is_warned_about():
    assert "judge on fresh rows" in compare(*world(), policy(), promotions=5).notices[0]


def test_the_loss_since_the_reference_is_bounded():
    champion, candidate = world(loss=0.01)
    reference = evaluation(id=champion.id, target=champion.target, prediction=champion.target)
    rules = policy(margin=0.03, gate={"max_total_loss": {"accuracy": 0.05}})
    verdict = compare(champion, candidate, rules, reference=reference)
    assert find(verdict).outcome is Outcome.NON_INFERIOR
    assert find(verdict, versus="reference").outcome is Outcome.WORSE
    assert verdict.verdict is Result.FAIL


def test_proportions_with_their_n_get_an_unpaired_interval():
    verdict = compare(
        Results(scalars={"accuracy": 0.9}, sizes={"accuracy": 2000}),
        Results(scalars={"accuracy": 0.8}, sizes={"accuracy": 2000}),
        policy(),
    )
    finding = find(verdict)
    assert finding.method.startswith("Newcombe")
    assert finding.outcome is Outcome.WORSE


def test_repeated_runs_make_a_noise_floor():
    before = [0.90, 0.91, 0.905, 0.895, 0.90]
    quiet = find(compare({"accuracy": before}, {"accuracy": 0.897}, policy()))
    loud = find(compare({"accuracy": before}, {"accuracy": 0.80}, policy()))
    assert (quiet.outcome, loud.outcome) == (Outcome.NON_INFERIOR, Outcome.WORSE)
    assert quiet.method == "noise floor of 5 champion runs"


def test_holm_over_the_gated_metrics_softens_what_could_be_chance():
    """One of ten metrics that is barely worse on its own is not settled."""
    rng = np.random.default_rng(4)
    n = 2000
    target = np.zeros(n, int)
    pairs = {}
    for i in range(10):
        first, second = (rng.random(n) < 0.1).astype(float), (rng.random(n) < 0.1).astype(float)
        pairs[f"m{i}"] = (first, second)
    worse = pairs["m0"][0].copy()
    worse[np.flatnonzero(worse == 1)[:58]] = 0
    pairs["m0"] = (pairs["m0"][0], worse)
    one = evaluation(id=np.arange(n), target=target, columns={k: v[0] for k, v in pairs.items()})
    two = evaluation(id=np.arange(n), target=target, columns={k: v[1] for k, v in pairs.items()})

    def rules(names):
        return Policy(
            metrics={
                k: MetricPolicy(metric="column", column=k, greater_is_better=True, margin=0.0225)
                for k in names
            }
        )

    alone = compare(one, two, rules(["m0"])).findings[0]
    among = next(f for f in compare(one, two, rules(pairs)).findings if f.metric == "m0")
    assert alone.outcome is Outcome.WORSE
    assert among.interval == alone.interval
    assert among.adjusted_pvalue == pytest.approx(10 * alone.pvalue)
    assert among.outcome is Outcome.INCONCLUSIVE
    assert "how many metrics were looked at" in among.message


@pytest.mark.parametrize(
    ("source", "before", "after", "on_point", "result"),
    [
        (None, 10.0, 20.0, "show", Result.FAIL),
        ("metrics.json:latency", 10.0, 20.0, "fail", Result.FAIL),
        ("metrics.json:latency", 10.0, 20.0, "show", Result.INCONCLUSIVE),
        ("metrics.json:latency", 10.0, 10.0, "fail", Result.PASS),
        (None, 10.0, 10.0, "show", Result.PASS),
    ],
)
def test_the_same_predictions_do_not_hide_what_else_is_measured(source, before, after, on_point, result):
    noise = np.random.default_rng(2).normal(size=4000)
    champion, _ = world()
    sides = [
        Results(
            evaluation=evaluation(
                id=champion.id,
                target=champion.target,
                prediction=champion.prediction,
                columns={"latency": value + noise},
            ),
            scalars={"latency": value},
        )
        for value in (before, after)
    ]
    where = {"source": source} if source else {"column": "latency"}
    rules = {
        "accuracy": MetricPolicy(metric="accuracy", margin=0.01),
        "latency": MetricPolicy(
            metric="latency", margin=1.0, greater_is_better=False, on_point=on_point, **where
        ),
    }
    verdict = compare(*sides, Policy(metrics=rules))
    assert verdict.verdict is result
    assert [finding.metric for finding in verdict.findings] == ["accuracy", "latency"]
    assert verdict.findings[0].outcome is Outcome.UNCHANGED


def test_changed_weights_are_another_holdout():
    champion, candidate = world()
    weight = np.ones(4000)
    right = candidate.prediction == candidate.target
    pair = [
        evaluation(id=side.id, target=side.target, prediction=side.prediction, weight=weights)
        for side, weights in ((champion, weight), (candidate, np.where(right, 1.0, 0.001)))
    ]
    verdict = compare(*pair, policy())
    assert verdict.verdict is Result.ERROR
    assert "the weight of" in verdict.findings[0].message


@pytest.mark.parametrize("metric", ["f1", "precision", "recall", "false_positive_rate", "brier_score"])
def test_a_positive_label_that_no_row_has_is_an_error(metric):
    """A misspelt label gave rates of 0 to both models, which never differ."""
    champion, candidate = world()
    pair = [
        evaluation(
            id=side.id,
            target=np.where(side.target == 1, "bad", "good"),
            prediction=np.where(side.prediction == 1, "bad", "good"),
            score=0.1 + 0.8 * side.prediction,
        )
        for side in (champion, candidate)
    ]
    assert compare(*pair, policy(metric, positive="bad")).verdict is not Result.ERROR
    verdict = compare(*pair, policy(metric, positive="Bad"))
    assert verdict.verdict is Result.ERROR
    if metric != "recall":
        assert (
            "no row has the `positive` label 'Bad'; the labels are bad, good" in verdict.findings[0].message
        )


@pytest.mark.parametrize("metric", ["f1", "precision"])
def test_without_a_positive_row_nothing_is_said_of_positives(metric):
    rng = np.random.default_rng(3)
    sides = [
        evaluation(id=np.arange(500), target=np.zeros(500), prediction=(rng.random(500) < 0.1).astype(int))
        for _ in range(2)
    ]
    assert compare(*sides, policy(metric)).verdict is Result.ERROR


def test_a_holdout_of_negatives_alone_shows_false_alarms():
    rng = np.random.default_rng(4)
    sides = [
        evaluation(id=np.arange(5000), target=np.zeros(5000), prediction=rng.random(5000) < rate)
        for rate in (0.01, 0.2)
    ]
    assert compare(*sides, policy("false_positive_rate", positive="1")).verdict is Result.FAIL


def test_a_missing_value_does_not_merge_the_bins_of_a_slice():
    x = np.random.default_rng(5).normal(size=4000)
    x[:50] = np.nan
    pair = world(loss=0.3, where=x > 0.7, columns={"x": x})
    verdict = compare(*pair, policy(margin=0.2, slices=("x",)))
    parts = [f for f in verdict.findings if f.slice and f.gated]
    assert len(parts) == 5
    assert [f.n for f in parts if f.slice == "x=nan"] == [50]
    assert [f.outcome for f in parts if f.slice.startswith("x>=")] == [Outcome.WORSE]


def test_columns_of_classes_are_matched_by_name():
    """Two models that each know a class that the other does not, and that no row is of."""
    rng = np.random.default_rng(6)
    code = rng.integers(0, 2, 1000)
    score = np.full((1000, 3), 0.05)
    score[np.arange(1000), code] = 0.9
    shared = {"id": np.arange(1000), "target": np.array(["a", "b"])[code]}
    first = evaluation(**shared, score=score, score_labels=("a", "b", "z"))
    second = evaluation(**shared, score=np.roll(score, 1, axis=1), score_labels=("0", "a", "b"))
    finding = find(compare(first, second, policy("log_loss")))
    assert finding.champion == finding.candidate == pytest.approx(-np.log(0.9))
    swapped = evaluation(**shared, score=score, score_labels=("b", "a", "z"))
    assert compare(first, swapped, policy("log_loss")).verdict is Result.FAIL


@pytest.mark.parametrize(
    ("value", "on_point", "size", "result", "held"),
    [
        (0.95, "show", None, Result.INCONCLUSIVE, False),
        (0.5, "show", None, Result.INCONCLUSIVE, True),
        (0.5, "fail", None, Result.FAIL, False),
        (0.95, "fail", 1000, Result.PASS, False),
        (0.8, "fail", 1000, Result.FAIL, False),
    ],
)
def test_a_limit_holds_for_a_bare_number_too(value, on_point, size, result, held):
    rules = policy("f1", margin=0.0, minimum=0.9, on_point=on_point)
    sizes = {"f1": size} if size else {}
    verdict = compare(Results(scalars={"f1": value}), Results(scalars={"f1": value}, sizes=sizes), rules)
    assert (verdict.verdict, verdict.held) == (result, held)
