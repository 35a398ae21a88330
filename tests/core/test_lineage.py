"""The pipeline version: it changes with data, code and configuration, and only then."""

import hashlib
import math
from dataclasses import replace

import pytest

from mlops_ci.core.lineage import DataFile, Stage, canonical_json, lineage, pipeline_version

A = Stage(
    name="a",
    command="make a",
    params={"params.yaml:x": 1, "params.yaml:deep": {"b": 2, "a": [1.5, None, True, "é"]}},
    deps=[DataFile(path="raw.csv", checksum="1", size=3), DataFile(path="a.py", checksum="2", kind="code")],
    outs={"a.out": "3"},
)
B = Stage(name="b", command="make b", inputs=["a.out"], outs={"b.out": "4"})
LOCKS = {"uv.lock": "5"}
VERSION = pipeline_version([A, B], LOCKS)


def test_it_is_the_same_whatever_the_order_the_run_and_the_outputs() -> None:
    turned = replace(A, deps=list(reversed(A.deps)), params=dict(reversed(A.params.items())))
    ran = replace(B, state="ran", seconds=1.5, outs={"b.out": "other bytes"})
    assert pipeline_version([ran, turned], dict(LOCKS)) == VERSION


def test_it_is_pinned() -> None:
    # Registered versions carry it in a tag: another value for the same pipeline would orphan them.
    assert VERSION == "0c96e0656c2b60773a0ddf520e13d4afc2249db04f6da3917150a2ac3a80c0b5"


@pytest.mark.parametrize(
    "other",
    [
        replace(A, command="make  a"),
        replace(A, params={**A.params, "params.yaml:x": 2}),
        replace(A, params={}),
        replace(A, deps=[replace(A.deps[0], checksum="9"), A.deps[1]]),
        replace(A, deps=[A.deps[0], replace(A.deps[1], checksum="9")]),
        replace(A, deps=[replace(A.deps[0], path="other.csv"), A.deps[1]]),
        replace(A, inputs=["z.out"]),
        replace(A, outs={"other.out": "3"}),
        replace(A, name="c"),
    ],
)
def test_it_changes_with_a_stage(other: Stage) -> None:
    assert pipeline_version([other, B], LOCKS) != VERSION


def test_it_changes_with_the_environment_and_the_stages() -> None:
    assert pipeline_version([A, B], {"uv.lock": "6"}) != VERSION
    assert pipeline_version([A, B], {}) != VERSION
    assert pipeline_version([A], LOCKS) != VERSION


def test_canonical_json() -> None:
    assert canonical_json({"b": 1, "a": ["é", 0.1]}) == '{"a":["é",0.1],"b":1}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(math.nan)


def test_lineage_lists_each_piece_of_external_data_once() -> None:
    again = replace(B, deps=[A.deps[0]])
    made = lineage("c" * 40, [A, again], "schema: '2.0'\n", LOCKS)
    assert list(made.data) == [A.deps[0]]
    assert made.pipeline_version == pipeline_version([A, again], LOCKS)
    assert made.dvc_lock_digest == hashlib.sha256(b"schema: '2.0'\n").hexdigest()
    assert made.environment == LOCKS
