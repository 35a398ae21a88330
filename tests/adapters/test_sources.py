"""Sources: every way to name a table gives the same drift, and what cannot be read is said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mlops_ci.adapters.data.sources import open_table
from mlops_ci.api_drift import drift, profile
from mlops_ci.errors import EvidenceError, MlopsCiError, ServiceError, UsageError


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    return pd.DataFrame(
        {
            "x": rng.normal(size=3000),
            "n": rng.integers(0, 9, 3000),
            "gap": np.where(rng.random(3000) < 0.1, np.nan, rng.normal(size=3000)),
            "c": rng.choice(["a", "b", None], 3000),
        }
    )


@pytest.fixture
def folder(tmp_path, frame) -> Path:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    pyarrow.feather.write_feather(table, tmp_path / "t.feather")
    pyarrow.feather.write_feather(table, tmp_path / "plain.arrow", compression="uncompressed")
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
    pq.write_table(table.slice(0, 1000), tmp_path / "p" / "1.parquet")
    pq.write_table(table.slice(1000), tmp_path / "p" / "2.parquet")
    frame[:1200].to_csv(tmp_path / "q" / "1.csv", index=False)
    frame[1200:].to_csv(tmp_path / "q" / "2.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(
    "name", ["t.feather", "plain.arrow", "t.csv", "t.csv.gz", "t.jsonl", "p", "q", "p/*.parquet", "q/*.csv"]
)
def test_every_source_is_the_same_table(folder, name):
    report = drift(folder / "t.parquet", str(folder / name))
    assert report.rows_current == 3000
    assert not report.drifted
    # pandas writes JSON with ten digits
    assert max(column.effect_size for column in report.columns) < (0.001 if name == "t.jsonl" else 1e-9)
    assert report.column("gap").missing_current == report.column("gap").missing_reference > 0.05
    assert report.column("c").missing_current == report.column("c").missing_reference > 0.2


def test_frames_and_streams(folder, frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for source in (frame, table, table.to_reader(500), {name: frame[name].to_numpy() for name in ("x", "n")}):
        report = drift(folder / "t.parquet", source)
        assert max(column.effect_size for column in report.columns if column.kind != "schema") < 1e-9


def test_a_frame_that_exports_an_arrow_stream(folder, frame):
    polars = pytest.importorskip("polars")
    assert not drift(folder / "t.parquet", polars.from_pandas(frame)).drifted


def test_mixed_objects_are_text():
    mixed = pd.DataFrame({"x": [1, "a", None, 2.5] * 50})
    assert profile(mixed).columns["x"].kind == "category"


def test_a_csv_whose_type_shows_late(tmp_path):
    path = tmp_path / "late.csv"
    rows = 4_000_000  # more than one block of 16 MB
    with path.open("w") as file:
        file.write("x,y\n")
        file.write("1,7\n" * rows)
        file.write("2.5,eight\n")
    with open_table(path) as table:
        assert table.rows == rows + 1
        assert [str(field.type) for field in table.schema] == ["double", "string"]


def test_fsspec(folder, frame):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder / "t.parquet"), "/bucket/t.parquet")
    memory.put(str(folder / "t.csv"), "/bucket/t.csv")
    memory.put(str(folder / "p"), "/bucket/p", recursive=True)
    for name in ("t.parquet", "t.csv", "p", "p/*.parquet"):
        assert not drift(folder / "t.parquet", f"memory://bucket/{name}").drifted
    with pytest.raises(EvidenceError, match="nothing is at memory://bucket/none"):
        drift(folder / "t.parquet", "memory://bucket/none.parquet")
    with pytest.raises((ServiceError, UsageError), match="nosuch"):
        drift(folder / "t.parquet", "nosuch://bucket/t.parquet")


def test_a_revision(tmp_path, monkeypatch):
    pytest.importorskip("dvc.api")

    def run(*command: str) -> None:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    dvc = str(Path(sys.executable).with_name("dvc"))
    rng = np.random.default_rng(0)
    run("git", "init", "-q", "-b", "main")
    run("git", "config", "user.email", "a@example.com")
    run("git", "config", "user.name", "a")
    run(dvc, "init", "-q")
    (tmp_path / "data").mkdir()
    for mean, tag in ((0, "v1"), (2, "v2")):
        pd.DataFrame({"x": rng.normal(mean, 1, 500)}).to_csv(tmp_path / "data" / "train.csv", index=False)
        run(dvc, "add", "-q", "data/train.csv")
        run("git", "add", ".")
        run("git", "commit", "-qm", tag)
        run("git", "tag", tag)
    monkeypatch.chdir(tmp_path)
    assert drift("data/train.csv@v1", "data/train.csv").drifted
    assert not drift("data/train.csv@v2", "data/train.csv").drifted
    with pytest.raises(EvidenceError, match="revision 'v9' cannot be read"):
        drift("data/train.csv@v9", "data/train.csv")


class TestErrors:
    """One clear error that names the source."""

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.csv", b"", "empty"),
            ("a.csv", b"x,y\n", "no row"),
            ("a.csv", b"x,y\n1,2\n3\n", "cannot be read as csv"),
            ("a.csv", b"x,x\n1,2\n", "'x' twice"),
            ("a.parquet", b"PAR1 and no more", "cannot be read as parquet"),
            ("a.feather", b"ARROW1 and no more", "cannot be read as feather"),
            ("a.txt.xyz", b"x", "no known format"),
        ],
    )
    def test_content(self, tmp_path, name, content, message):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(MlopsCiError, match=message) as caught:
            profile(path)
        assert caught.value.exit_code == 5
        assert caught.value.remedy

    def test_truncated_parquet(self, folder):
        path = folder / "t.parquet"
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(EvidenceError, match=r"t\.parquet cannot be read as parquet"):
            profile(path)

    def test_damaged_pages(self, folder):
        path = folder / "t.parquet"
        data = bytearray(path.read_bytes())
        data[100:20_000] = b"\xff" * 19_900
        path.write_bytes(data)
        with pytest.raises(EvidenceError, match=r"column .* of .*t\.parquet cannot be read"):
            profile(path)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(EvidenceError, match="does not exist"):
            profile(tmp_path / "none.csv")
        with pytest.raises(EvidenceError, match="no file matches"):
            profile(str(tmp_path / "*.parquet"))
        with pytest.raises(EvidenceError, match="has no table"):
            profile(tmp_path)

    def test_files_of_different_tables(self, folder):
        pq.write_table(pa.table({"other": [1]}), folder / "p" / "3.parquet")
        with pytest.raises(EvidenceError, match="differ in the columns"):
            profile(folder / "p")


def test_frames_that_are_no_table_are_one_clear_error():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(EvidenceError, match="the column 'a' twice"), open_table(twice):
        pass
    for odd in ({"x": [1, 2], "y": [1]}, pd.Series([1.0]), pd.DataFrame({"x": [1 + 2j]})):
        with pytest.raises(EvidenceError, match="cannot be read"), open_table(odd):
            pass


def test_intervals_bytes_and_huge_numbers_are_values():
    bins = pd.cut(np.arange(100), 4)
    frame = pd.DataFrame({"bin": bins, "raw": [b"\xff", b"a"] * 50, "huge": [2**70, 1] * 50})
    there = drift(frame, frame)
    assert {one.name: one.kind for one in there.columns} == dict.fromkeys(("bin", "huge", "raw"), "category")
    moved = drift(frame, frame.assign(bin=bins[[0] * 100], raw=[b"\xfe"] * 100, huge=[3] * 100))
    assert moved.drifted
    assert {one.name for one in moved.columns if one.drifted} == {"bin", "huge", "raw"}
