"""Predictions files become evaluations; what cannot be one is refused with file, column and row."""

from pathlib import Path

import numpy as np
import pytest

from mlops_ci.adapters.data.evaluations import EvaluationFiles
from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.ports import Columns
from mlops_ci.core.evidence import evaluation_digest, holdout_digest
from mlops_ci.errors import HoldoutError, PredictionsError

FILES = EvaluationFiles(TableReader())
COLUMNS = Columns(id="id", target="y_true", prediction="y_pred", score="y_score")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_sorted_by_id_and_ids_keep_their_zeros(tmp_path: Path) -> None:
    one = FILES.read(write(tmp_path / "p.csv", "id,y_true,y_pred\n010,1,0\n002,0,0\n"), COLUMNS)
    assert one.id.tolist() == ["002", "010"]
    assert one.target is not None
    assert one.target.tolist() == [0, 1]
    assert one.score is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,y_true,y_pred\n", "has no row"),
        ("", "p.csv"),
        ("idx,y_true,y_pred\n1,1,1\n", "there is no column 'id'; did you mean 'idx'?"),
        ("id,y_true,y_pred\n1,1,1\n1,0,1\n", "id '1' occurs more than once"),
        ("id,y_true,y_pred\n1,1,\n2,0,1\n", "column 'prediction' has 1 missing"),
        ("id,y_true,y_pred,y_score\n1,1,1,nan\n2,1,1,.5\n", "column 'score' has 1 missing"),
        ("id,y_true,y_pred,y_score\n1,1,1,inf\n2,1,1,.5\n", "column 'score' has 1 missing or infinite"),
    ],
)
def test_what_cannot_be_an_evaluation(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PredictionsError) as caught:
        FILES.read(write(tmp_path / "p.csv", text), COLUMNS)
    assert message in str(caught.value)
    assert "p.csv" in str(caught.value)
    assert caught.value.exit_code == 5


def test_a_required_column_must_be_there(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "id,y_true,y_pred\n1,1,1\n")
    with pytest.raises(PredictionsError, match="there is no column 'platform'"):
        FILES.read(path, Columns(id="id", further=("platform",), required=frozenset({"platform"})))


def test_labels_come_from_the_holdout_and_not_from_the_candidate(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "id,y_true,y_pred\n1,1,1\n2,1,1\n")
    holdout = write(tmp_path / "h.csv", "id,y_true,x\n2,0,5\n1,1,5\n3,1,5\n")
    one = FILES.read(path, COLUMNS, holdout)
    assert one.target is not None
    assert one.target.tolist() == [1, 0]


def test_rows_outside_the_holdout_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "id,y_pred\n1,1\n9,1\n")
    with pytest.raises(HoldoutError, match="row '9' is not in the holdout"):
        FILES.read(path, COLUMNS, write(tmp_path / "h.csv", "id,y_true\n1,1\n2,0\n"))


def test_saved_and_loaded_it_is_the_same_evaluation(tmp_path: Path) -> None:
    text = "id,y_true,y_pred,p_cat,p_dog,platform,w\nb,cat,dog,.4,.6,ios,1.5\na,dog,dog,.1,.9,mac,2\n"
    columns = Columns(
        id="id",
        target="y_true",
        prediction="y_pred",
        score=["p_cat", "p_dog"],
        weight="w",
        further=("platform",),
    )
    one = FILES.read(write(tmp_path / "p.csv", text), columns)
    assert one.score_labels == ("cat", "dog")
    FILES.save(one, tmp_path / "kept" / "p.parquet")
    again = FILES.load(tmp_path / "kept" / "p.parquet")
    assert evaluation_digest(again) == evaluation_digest(one)
    assert again.score_labels == one.score_labels
    assert again.columns["platform"].tolist() == ["mac", "ios"]
    assert np.array_equal(again.weight, one.weight)  # type: ignore[arg-type]


def test_the_holdout_digest_does_not_depend_on_file_format_or_row_order(tmp_path: Path) -> None:
    one = FILES.read(write(tmp_path / "a.csv", "id,y_true,y_pred\n1,1,0\n2,0,0\n"), COLUMNS)
    other = FILES.read(write(tmp_path / "b.csv", "id,y_true,y_pred\n2,0.0,1\n1,1.0,1\n"), COLUMNS)
    changed = FILES.read(write(tmp_path / "c.csv", "id,y_true,y_pred\n1,1,0\n2,1,0\n"), COLUMNS)
    assert holdout_digest(one) == holdout_digest(other)
    assert holdout_digest(one) != holdout_digest(changed)
    assert evaluation_digest(one) != evaluation_digest(other)


def test_times_of_rows_are_kept_whatever_the_file_writes(tmp_path: Path) -> None:
    columns = Columns(id="id", target="y_true", prediction="y_pred", score=None, time="at")
    text = "id,y_true,y_pred,at\n1,1,1,2026-03-02T00:00:00Z\n2,0,1,2026-03-03T01:00:00+01:00\n"
    one = FILES.read(write(tmp_path / "p.csv", text), columns)
    assert one.time is not None
    assert np.diff(one.time).tolist() == [86_400_000_000]
    FILES.save(one, tmp_path / "kept.parquet")
    again = FILES.load(tmp_path / "kept.parquet")
    assert again.time is not None
    assert again.time.tolist() == one.time.tolist()
    assert evaluation_digest(again) == evaluation_digest(one)
    plain = FILES.read(tmp_path / "p.csv", Columns(id="id", target="y_true", prediction="y_pred"))
    assert plain.time is None
    assert evaluation_digest(plain) != evaluation_digest(one)
    assert holdout_digest(plain) == holdout_digest(one)


def test_a_row_without_a_time_is_refused(tmp_path: Path) -> None:
    columns = Columns(id="id", target="y_true", prediction="y_pred", time="at")
    path = write(tmp_path / "p.csv", "id,y_true,y_pred,at\n1,1,1,2026-03-02T00:00:00\n2,0,1,\n")
    with pytest.raises(PredictionsError, match=r"column 'at' has 1 missing or unreadable times, .* row '2'"):
        FILES.read(path, columns)
