"""Reading tables: what comes back from each format, and what is said when nothing can."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.data.sources import open_table
from mlops_ci.errors import EvidenceError, PredictionsError

CSV = """\
id,y_true,y_pred,share,platform,day,ok,proba
007,1,0,0.5,android,2026-01-02,True,"[0.1, 0.9]"
008,0,0,,NA,2026-01-03,False,"[0.7, 0.3]"
010,1,1,2.5,,2026-01-04,True,"[0.2, 0.8]"
"""


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def table() -> pa.Table:
    return pa.table(
        {
            "id": pa.array([3, 1, 2], pa.int64()),
            "big": pa.array([2**60 + 1, None, 5], pa.int64()),
            "count": pa.array([1, None, 3], pa.int32()),
            "share": pa.array([0.5, None, 1.5], pa.float32()),
            "platform": pa.array(["a", None, "b"]).dictionary_encode(),
            "ok": pa.array([True, False, True]),
            "maybe": pa.array([True, None, False]),
            "day": pa.array([dt.date(2026, 1, 2), None, dt.date(2026, 1, 4)]),
            "price": pa.array([1, 2, 3], pa.decimal128(9, 2)),
            "proba": pa.array([[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]]),
            "ragged": pa.array([[0.1], [0.7, 0.3], None]),
        }
    )


def test_csv_columns(csv):
    got = TableReader().read(csv, text=("id",))
    assert got["id"].tolist() == ["007", "008", "010"]
    assert got["y_true"].dtype == np.int64
    assert got["y_true"].tolist() == [1, 0, 1]
    np.testing.assert_array_equal(got["share"], [0.5, np.nan, 2.5])
    assert got["platform"].tolist() == ["android", "NA", None]
    assert got["day"][2] == np.datetime64("2026-01-04")
    assert got["ok"].dtype == bool
    np.testing.assert_array_equal(got["proba"], [[0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])


def test_csv_id_is_a_number_unless_text_is_asked_for(csv):
    assert TableReader().read(csv, ["id"])["id"].tolist() == [7, 8, 10]
    assert list(TableReader().read(csv, ["y_pred", "id"])) == ["y_pred", "id"]


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_typed_columns(tmp_path, table, kind):
    path = tmp_path / f"table.{kind}"
    (pq.write_table if kind == "parquet" else pyarrow.feather.write_feather)(table, path)
    got = TableReader().read(path)
    assert got["id"].dtype == np.int64
    assert got["big"].tolist() == [2**60 + 1, None, 5]
    np.testing.assert_array_equal(got["count"], [1, np.nan, 3])
    np.testing.assert_array_equal(got["share"], [0.5, np.nan, 1.5])
    assert got["platform"].tolist() == ["a", None, "b"]
    assert got["ok"].dtype == bool
    assert got["maybe"].tolist() == [True, None, False]
    assert got["day"][0] == np.datetime64("2026-01-02")
    assert np.isnat(got["day"][1])
    assert got["price"].tolist() == [1.0, 2.0, 3.0]
    assert got["proba"].shape == (3, 2)
    assert got["ragged"].tolist() == [[0.1], [0.7, 0.3], None]
    assert TableReader().read(path, ["id"], text=("id",))["id"].tolist() == ["3", "1", "2"]


def test_slices_of_arrow_buffers_are_read_at_their_offset(tmp_path):
    path = tmp_path / "groups.parquet"
    flags = [i % 3 == 0 for i in range(1000)]
    values = [None if i % 7 == 0 else i / 2 for i in range(1000)]
    pq.write_table(pa.table({"flag": flags, "x": values}), path, row_group_size=37)
    got = TableReader().read(path)
    assert got["flag"].tolist() == flags
    assert [None if value != value else value for value in got["x"].tolist()] == values


def test_json_lines(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "007", "x": 1.5}\n{"id": "008", "x": null}\n')
    got = TableReader().read(path)
    assert got["id"].tolist() == ["007", "008"]
    np.testing.assert_array_equal(got["x"], [1.5, np.nan])


@pytest.mark.parametrize(
    ("text", "line"), [("null", 1), (' null\n{"a": 1}\n', 1), ('{"a": 1}\n\nnull\n', 3), ('{"a": 1}\n[1]', 2)]
)
def test_a_line_of_json_that_is_no_object_is_an_error(tmp_path, text, line):
    """At a null in the first row of a block pyarrow's reader ends the whole process."""
    path = tmp_path / "p.jsonl"
    path.write_text(text)
    with pytest.raises(PredictionsError, match=f"line {line} is no JSON object"):
        TableReader().read(path)
    with pytest.raises(EvidenceError, match=f"line {line} is no JSON object"), open_table(path):
        pass


def test_reading_does_not_import_pandas(csv):
    code = (
        "import sys\nfrom pathlib import Path\nfrom mlops_ci.adapters.data.frames import TableReader\n"
        f"TableReader().read(Path({str(csv)!r}), text=('id',))\nprint('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class TestErrors:
    """One clear error that names the file and the remedy."""

    def test_missing_file_names_the_nearest(self, csv):
        with pytest.raises(PredictionsError, match=r"prediction\.csv does not exist") as caught:
            TableReader().read(csv.with_name("prediction.csv"))
        assert "did you mean" in caught.value.remedy
        assert "predictions.csv" in caught.value.remedy

    def test_missing_column_lists_those_there(self, csv):
        with pytest.raises(
            PredictionsError, match=r"no column 'y_prd'; its columns are: id, y_true"
        ) as caught:
            TableReader().read(csv, ["id", "y_prd"])
        assert "did you mean 'y_pred'" in caught.value.remedy

    def test_missing_column_of_a_parquet_file(self, tmp_path, table):
        pq.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(PredictionsError, match="no columns 'a', 'b'; its columns are: id, big"):
            TableReader().read(tmp_path / "t.parquet", ["a", "b"])

    def test_truncated_parquet(self, tmp_path, table):
        path = tmp_path / "t.parquet"
        pq.write_table(table, path)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(PredictionsError, match=r"t\.parquet cannot be read as parquet") as caught:
            TableReader().read(path)
        assert "cut short" in caught.value.remedy

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", b"", "empty"),
            ("a.csv", b"id,x\n", "has no row"),
            ("a.csv", b"id,x\n1,2\n3\n", "cannot be read as csv"),
            ("a.csv", b"id,id\n1,2\n", "column 'id' twice"),
            ("a.csv", b"id,x\n1,caf\xe9\n", "cannot be read as csv: Invalid UTF8"),
            ("a.xlsx", b"PK\x03\x04", "no known format"),
            ("a.parquet", b"garbage!garbage!", "cannot be read as parquet"),
            ("a.jsonl", b"{'a': 1}\n", "cannot be read as json"),
        ],
    )
    def test_content(self, tmp_path, name, content, message):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(PredictionsError, match=message):
            TableReader().read(path)

    def test_folder(self, tmp_path):
        with pytest.raises(PredictionsError, match="is a folder"):
            TableReader().read(tmp_path)


def test_a_score_that_nests_without_end_is_text(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text(f"id,y_score\na,{'[' * 5000}\n")
    assert TableReader().read(path)["y_score"][0].startswith("[[")


@pytest.mark.parametrize(
    "texts", [["a", "b", "a", None, "a", "b", None, "b"], ["a"] * 5, [None] * 3, ["x", "y"]], ids=len
)
def test_a_text_that_comes_often_is_in_memory_once(tmp_path: Path, texts: list[str | None]) -> None:
    table = pa.table({"platform": pa.array([None, *texts, "z"], pa.string()).slice(1, len(texts))})
    pq.write_table(table, tmp_path / "a.parquet")
    read = TableReader().read(tmp_path / "a.parquet")["platform"]
    assert read.dtype == object
    assert read.tolist() == texts
    assert len({id(text) for text in read.tolist()}) == len(set(texts))
