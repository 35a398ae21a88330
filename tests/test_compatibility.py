"""What pyproject.toml and the documentation claim of versions is what the compatibility matrix ran."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

from benchmarks import compatibility  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FIGURES = {one["row"]: one for one in compatibility.stored(compatibility.RESULTS)}
WORKING = [one for one in FIGURES.values() if one["outcome"] == "works"]


def bounds_of(name: str) -> set[Version]:
    """Return every lower bound that pyproject.toml sets on a package, in dependencies, extras and groups."""
    listed = [*PROJECT["project"]["dependencies"]]
    for some in [
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]:
        listed += [one for one in some if isinstance(one, str)]
    found = [one for one in map(Requirement, listed) if one.name == name]
    return {Version(part.version) for one in found for part in one.specifier}


def versions(rows: list[dict[str, Any]], what: str) -> list[Version]:
    """Return the versions that rows have of something, sorted."""
    return sorted({Version(one[what]) for one in rows if one[what] != "sqlite"})


def test_every_row_ran_as_it_is_now_and_came_out_as_it_is_said() -> None:
    assert list(FIGURES) == [one.name for one in compatibility.ROWS]
    for one in compatibility.ROWS:
        found = FIGURES[one.name]
        assert (found["outcome"] == "works") == one.works, one.name
        ran = (found["client"], found["dvc"], found["python"], found["server"], found["pins"])
        assert ran == (one.client, one.dvc, one.python, one.server or "sqlite", list(one.more)), one.name


def test_bounds_are_the_oldest_that_ran() -> None:
    oldest = versions(WORKING, "client")[0]
    assert bounds_of("mlflow") == bounds_of("mlflow-skinny") == {oldest}
    assert versions(WORKING, "server")[0] == oldest
    ours = [one for one in WORKING if one["dvc"] != compatibility.THEIRS]
    assert bounds_of("dvc") == {versions(ours, "dvc")[0]}


def test_the_lowest_of_all_that_we_need_were_installed_together() -> None:
    found = FIGURES["oldest of all, sqlite"]["installed"]
    lowest = compatibility.lower_bounds()
    for name in set(found) & set(lowest):
        assert Version(found[name]) == Version(lowest[name]), name
    assert {"mlflow", "dvc", "numpy", "pyarrow", "pydantic", "scikit-learn"} <= set(found) & set(lowest)


@pytest.mark.parametrize("name", ["mlflow", "mlflow-skinny", "dvc"])
def test_the_lock_is_the_newest_that_ran(name: str) -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    (locked,) = [one["version"] for one in lock["package"] if one["name"] == name]
    what = "dvc" if name == "dvc" else "client"
    assert Version(locked) == versions(WORKING, what)[-1], "run the matrix again with what is locked now"
    assert versions(WORKING, "server")[-1] == versions(WORKING, "client")[-1]


def test_pythons_are_those_that_ran() -> None:
    claimed = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert [Version(one) for one in claimed] == versions(WORKING, "python")
    assert PROJECT["project"]["requires-python"] == f">={claimed[0]}"


def test_the_page_has_the_table() -> None:
    page = (ROOT / "docs" / "benchmarks" / "compatibility.md").read_text(encoding="utf-8")
    assert compatibility.table(list(FIGURES.values())) in page
