"""Values as text, and the digests of it: whatever the file format, and in little room."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from mlops_ci.core import evidence
from mlops_ci.core.evidence import (
    InvalidEvaluationError,
    canonical,
    differing,
    evaluation,
    evaluation_digest,
    holdout_digest,
)


@pytest.mark.parametrize(
    "values",
    [
        np.array([0, 7, -1234567, 42]),
        np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]),
        np.array([np.iinfo(np.uint64).max, 0], dtype=np.uint64),
        np.array([-128, 127], dtype=np.int8),
        np.array([], dtype=np.int64),
    ],
)
def test_whole_numbers_are_their_digits(values: np.ndarray) -> None:
    assert canonical(values).tolist() == [str(one) for one in values.tolist()]


def test_a_label_is_the_same_whatever_it_was_read_as() -> None:
    assert canonical(np.array([1.0, 0.0, -0.0, -3.0])).tolist() == ["1", "0", "0", "-3"]
    assert canonical(np.array([1.0, 0.5])).tolist() == ["1", "0.5"]
    assert canonical(np.array([True, False])).tolist() == ["1", "0"]
    assert canonical(np.array([2.0**53, 1e300])).tolist() == ["9007199254740992.0", "1e+300"]


def test_text_takes_no_more_room_than_its_longest_value() -> None:
    assert canonical(np.arange(100_000)).dtype.itemsize == 4 * 5
    assert canonical(np.array([1.0, 0.0])).dtype.itemsize == 4


def test_differing_is_a_difference_of_text() -> None:
    nan = float("nan")
    assert differing(np.array([1.0, nan, 0.0, 2.0]), np.array([1.0, nan, -0.0, 3.0])).tolist() == [
        False,
        False,
        False,
        True,
    ]
    assert differing(np.array([1, 0]), np.array([1.0, 0.5])).tolist() == [False, True]
    assert differing(np.array([True, False]), np.array(["1", "1"])).tolist() == [False, True]
    # The same number of another width is another text only where it is written otherwise.
    assert not differing(np.array([0.1], dtype=np.float32), np.array([0.1])).any()


def test_digests_are_those_of_before() -> None:
    """Evaluations are stored and counted by them: another way to count them must not change one."""
    n = 200_003
    rng = np.random.default_rng(5)
    one = evaluation(
        id=np.arange(n),
        target=rng.integers(0, 2, n).astype(float),
        prediction=rng.integers(0, 2, n),
        score=np.round(rng.random((n, 2)), 6),
        score_labels=("0", "1"),
        columns={"platform": np.array(["win", "ümläut", "mac"])[rng.integers(0, 3, n)]},
    )
    assert holdout_digest(one) == "d52800964f541150c47d6c45b40a20011da48a725009926ef8590624917b7e95"
    assert evaluation_digest(one) == "e5f7c2918f066d5ba050a939a42c3b8ee362ca11cfd29775715358db485820fb"


def test_digests_are_counted_once_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    real = evidence._update
    monkeypatch.setattr(evidence, "_update", lambda digest, values: [counted.append(1), real(digest, values)])
    one = evaluation(id=np.arange(5), target=np.arange(5) % 2, prediction=np.zeros(5))
    first = evaluation_digest(one), holdout_digest(one)
    assert (evaluation_digest(one), holdout_digest(one)) == first
    assert len(counted) == 3  # ids, targets, predictions
    # Of some of its rows they are others, as if those had been read.
    some = one.take(np.array([0, 2]))
    assert holdout_digest(some) == holdout_digest(evaluation(id=np.array([2, 0]), target=np.array([0, 0])))


@pytest.mark.parametrize(
    "odd",
    [
        np.array(["0.5", "0.6\x00"], dtype=object),
        np.array([0.5, 10**400], dtype=object),
        np.array(["2026-11-23", "2026-11-24"], dtype="M8[D]"),
        np.array([0.5, 1j]),
    ],
)
def test_what_numpy_takes_for_a_number_in_some_arrays_is_an_error(odd: Any) -> None:
    with pytest.raises(InvalidEvaluationError, match=r"column .score. holds .* which is not a number"):
        evaluation(id=["a", "b"], target=[0, 1], score=odd)


def test_scores_and_weights_are_numbers_or_an_error() -> None:
    rows = {"id": ["a", "b"], "target": [0, 1]}
    one = evaluation(**rows, score=np.array(["0.5", "1"]), weight=np.array([Decimal(2), 1], dtype=object))
    assert (one.score.tolist(), one.weight.tolist()) == ([0.5, 1.0], [2.0, 1.0])
    with pytest.raises(
        InvalidEvaluationError, match="'score' holds 'high' in row 'b', which is not a number"
    ):
        evaluation(**rows, score=np.array(["0.5", "high"]))
    with pytest.raises(InvalidEvaluationError, match="'weight' has 1 missing or infinite"):
        evaluation(**rows, weight=np.array(["1", "nan"]))
