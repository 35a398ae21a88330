"""Production's files cut into windows: kinds of times, mixed files, labels by id."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops_ci.adapters.data.production import ProductionFiles
from mlops_ci.adapters.ports.monitoring import Asked, Seen
from mlops_ci.errors import EvidenceError

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def asked(*files: str, **more: Any) -> Asked:
    return Asked(
        **{
            "files": files,
            "time": "time",
            "now": NOON + timedelta(days=2),
            "length": timedelta(days=1),
            "delay": timedelta(hours=1),
            "most": 10,
            "target": "y",
            **more,
        }
    )


def read(folder: Path, *files: str, **more: Any) -> Seen:
    return ProductionFiles(folder).read(asked(*files, **more), folder / "scratch")


@pytest.mark.parametrize(
    "moment",
    [
        NOON.replace(tzinfo=None),
        "2026-03-02T12:00:00",
        "2026-03-02T14:00:00+02:00",
        "2026-03-02 12:00:00Z",
        int(NOON.timestamp()),
        int(NOON.timestamp() * 1000),
        int(NOON.timestamp()) * 1_000_000,
        int(NOON.timestamp()) * 1_000_000_000,
        pd.Timestamp(NOON),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_times_of_any_kind_are_utc(moment: Any, kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "time": [moment] * 2, "x": [1.0, 2.0]})
    getattr(frame, f"to_{kind}")(tmp_path / f"p.{kind}", index=False)
    seen = read(tmp_path, f"p.{kind}")
    assert seen.newest == NOON
    assert [(one.window.name[:10], one.rows) for one in seen.slices] == [("2026-03-02", 2), ("2026-03-03", 0)]


def test_files_of_several_formats_and_types_are_one_production(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1, 2], "time": ["2026-03-02"] * 2, "x": [1, 2], "c": [1, 2]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    pd.DataFrame({"id": [3], "time": [NOON], "x": [0.5], "new": ["z"], "c": ["1"]}).to_parquet(
        tmp_path / "b.parquet"
    )
    seen = read(tmp_path, "a.csv", "*.parquet")
    whole = pd.read_parquet(seen.slices[0].path)
    assert whole["x"].tolist() == [1.0, 2.0, 0.5]
    assert whole["new"].isna().sum() == 2
    assert whole["c"].tolist() == ["1", "2", "1"]


def test_labels_are_joined_by_id_and_the_last_file_wins(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a", "b", "c"], "time": [NOON] * 3, "y": [None, 1, 0]}).to_csv(
        tmp_path / "p.csv", index=False
    )
    pd.DataFrame({"id": ["a", "b"], "y": [0, 0]}).to_csv(tmp_path / "l1.csv", index=False)
    pd.DataFrame({"id": ["b", "nobody"], "y": [1, 1]}).to_csv(tmp_path / "l2.csv", index=False)
    bare = read(tmp_path, "p.csv")
    seen = read(tmp_path, "p.csv", labels=["l*.csv"])
    assert (bare.slices[0].labels, seen.slices[0].labels) == (2, 3)
    assert pd.read_parquet(seen.slices[0].path).set_index("id")["y"].to_dict() == {"a": 0, "b": 1, "c": 0}
    assert bare.slices[0].digest != seen.slices[0].digest


def test_errors_name_the_file_the_key_and_the_column(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"monitor\.data: no file matches none/\*\.csv"):
        read(tmp_path, "none/*.csv")
    pd.DataFrame({"when": [1]}).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(EvidenceError, match=r"p\.csv has no column 'time'"):
        read(tmp_path, "p.csv")
    pd.DataFrame({"time": [True]}).to_parquet(tmp_path / "q.parquet")
    with pytest.raises(EvidenceError, match="holds no times"):
        read(tmp_path, "q.parquet")


def test_a_file_without_rows_is_no_error(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1, 2], "time": [NOON, NOON], "x": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "p1.parquet")
    frame[:0].to_csv(tmp_path / "p2.csv", index=False)
    frame[:0].to_parquet(tmp_path / "p3.parquet")
    pd.DataFrame({"id": [], "y": []}).to_csv(tmp_path / "l1.csv", index=False)
    seen = read(tmp_path, "p*", id="id", labels=("l*",))
    assert [(one.rows, one.labels) for one in seen.slices] == [(2, 0), (0, 0)]
    pd.DataFrame({"id": [2], "y": [1]}).to_csv(tmp_path / "l2.csv", index=False)
    assert read(tmp_path, "p*", id="id", labels=("l*",)).slices[0].labels == 1
    assert [one.rows for one in read(tmp_path, "p[23]*", id="id").slices] == [0] * 10


def test_a_missing_label_takes_none_away_that_came_before(tmp_path: Path) -> None:
    pd.DataFrame({"id": [1, 2, 3], "time": [NOON] * 3}).to_parquet(tmp_path / "p.parquet")
    pd.DataFrame({"id": [1, 2], "y": [0, 1]}).to_csv(tmp_path / "l1.csv", index=False)
    pd.DataFrame({"id": [1, 2, 3], "y": pd.array([1, None, None], dtype="Int64")}).to_parquet(
        tmp_path / "l2.parquet"
    )
    one = read(tmp_path, "p.parquet", id="id", labels=("l*",)).slices[0]
    assert pd.read_parquet(one.path)["y"].to_list()[:2] == [1, 1]
    assert one.labels == 2


def test_rows_without_an_id_are_not_the_same_row(tmp_path: Path) -> None:
    ids = pd.array([None, None, 7, 7], dtype="Int64")
    pd.DataFrame({"id": ids, "time": [NOON] * 4}).to_parquet(tmp_path / "p.parquet")
    one = read(tmp_path, "p.parquet", id="id").slices[0]
    assert (one.rows, one.twice) == (3, 1)
