"""What `init` makes of columns, scalars and holdouts, by value."""

import numpy as np
import pytest

from mlops_ci.core.evidence import Evaluation, evaluation
from mlops_ci.core.onboarding.columns import is_predictions, meaning
from mlops_ci.core.onboarding.facts import Table
from mlops_ci.core.onboarding.holdout import check_holdout
from mlops_ci.core.onboarding.metrics import settling_margin
from mlops_ci.core.onboarding.scalars import gateable
from mlops_ci.core.onboarding.settings_text import quoted
from mlops_ci.core.policy import MetricPolicy, Policy


def table(columns: str, rows: int = 100, numbers: str = "", **distinct: int) -> Table:
    names = columns.split()
    return Table(
        path="out.csv", columns=tuple(names), rows=rows, distinct={**dict.fromkeys(names, rows), **distinct},
        numbers=frozenset(numbers.split()),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "parts", "task"),
    [
        ("id y_true y_pred", {"id": "id", "target": "y_true", "prediction": "y_pred"}, "binary"),
        ("Row_ID Label Prediction proba", {"id": "Row_ID", "target": "Label", "prediction": "Prediction", "score": "proba"}, "binary"),
        ("filename label pred", {"id": "filename", "target": "label", "prediction": "pred"}, "binary"),
        ("actual forecast", {"target": "actual", "prediction": "forecast"}, "binary"),
    ],
)  # fmt: skip
def test_columns_by_name(columns: str, parts: dict[str, str], task: str) -> None:
    one = table(columns, **{parts["target"]: 2, parts["prediction"]: 2})
    found = meaning(one)
    assert {part: found.parts.get(part) for part in parts} == parts
    assert found.task == task
    assert is_predictions(one)


def test_an_unnamed_id_is_the_first_unique_column_without_fractions() -> None:
    found = meaning(table("weight_kg url y_true y_pred", numbers="weight_kg", y_true=2, y_pred=2))
    assert found.parts["id"] == "url"


def test_a_target_with_fractions_is_a_regression() -> None:
    assert meaning(table("id y_true y_pred", numbers="y_true y_pred")).task == "numbers"
    assert meaning(table("id y_true y_pred", y_true=10, y_pred=9)).task == "classes"
    assert not is_predictions(table("id price area"))


def test_a_target_of_its_own_name_is_known_by_its_values() -> None:
    intents = frozenset({"book", "cancel", "refund"})
    values = {"intent": intents, "prediction": intents, "locale": frozenset({"de", "en"})}
    columns = ("message", "locale", "intent", "prediction")
    one = Table(path="p.csv", columns=columns, rows=9, distinct={"message": 9, "intent": 3}, values=values)
    found = meaning(one)
    assert found.parts == {"id": "message", "target": "intent", "prediction": "prediction"}
    assert found.task == "classes"
    assert is_predictions(one)


def test_a_target_with_fractions_is_known_where_no_other_column_has_some() -> None:
    one = table("sample quality predicted", numbers="quality predicted")
    assert meaning(one).parts == {"id": "sample", "target": "quality", "prediction": "predicted"}
    assert meaning(one).task == "numbers"
    assert not is_predictions(table("sample alcohol quality predicted", numbers="alcohol quality predicted"))


def test_scalars_know_their_direction_and_training_is_left_out() -> None:
    values = {"train": 1.0}
    found, unknown = gateable(
        {
            "m.json": {
                "avg_prec.train": 1.0,
                "avg_prec.test": 0.9,
                "test.rmse": 3.0,
                "val_loss": 0.1,
                "epochs": 5.0,
                **values,
            }
        }
    )
    assert [(one.name, one.key, one.greater_is_better, one.relative) for one in found] == [
        ("avg_prec_test", "avg_prec.test", True, False),
        ("rmse", "test.rmse", False, True),
        ("val_loss", "val_loss", False, True),
    ]
    assert unknown == ["m.json:epochs"]


@pytest.mark.parametrize(
    ("rows", "margin"), [(None, 0.01), (5_000, 0.01), (3_709, 0.02), (1_000, 0.02), (160, 0.05), (20, 0.05)]
)
def test_the_margin_is_one_that_the_rows_can_settle(rows: int | None, margin: float) -> None:
    assert settling_margin(rows) == margin


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a/b.csv", "a/b.csv"),
        ("no", '"no"'),
        ("1:2", '"1:2"'),
        (True, "true"),
        ("m.json:a.b", "m.json:a.b"),
        ("a b", '"a b"'),
        ("2%", "2%"),
    ],
)
def test_scalars_are_quoted_where_yaml_would_read_them_otherwise(value: object, text: str) -> None:
    import yaml

    assert quoted(value) == text
    assert yaml.safe_load(f"[{quoted(value)}]") == [value]


def rows(n: int, wrong: int, **more: object) -> Evaluation:
    target = np.arange(n) % 2
    prediction = np.where(np.arange(n) < wrong, 1 - target, target)
    return evaluation(id=np.arange(n), target=target, prediction=prediction, **more)


def policy(margin: float, metric: str = "accuracy") -> Policy:
    return Policy(metrics={metric: MetricPolicy(metric=metric, margin=margin)})


@pytest.mark.parametrize(
    ("n", "margin", "metric", "state"),
    [
        (267, 0.01, "accuracy", "failed"),
        (268, 0.01, "accuracy", "warning"),
        (3_710, 0.01, "accuracy", "ok"),
        (500, 0.01, "recall", "failed"),
        (7_420, 0.01, "recall", "ok"),
    ],
)
def test_would_this_gate_ever_be_conclusive(n: int, margin: float, metric: str, state: str) -> None:
    (check,) = check_holdout(rows(n, 10), policy(margin, metric))
    assert check.state == state, check.message


def test_the_disagreement_is_measured_where_both_are_known() -> None:
    (check,) = check_holdout(rows(1_000, 10), policy(0.01), rows(1_000, 20))
    assert (check.state, "1.0%" in check.message) == ("ok", True)


def test_few_groups_never_settle_anything() -> None:
    found = list(check_holdout(rows(4_000, 10, group=np.arange(4_000) % 19), policy(0.01)))
    assert [check.state for check in found] == ["failed", "ok"]
