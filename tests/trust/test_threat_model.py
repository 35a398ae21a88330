"""The threat model's invariants are numbered without a gap, and each names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
INVARIANTS = dict(re.findall(r"^- \*\*T(\d+)\. (.*?)(?=^- \*\*T\d|^#)", TEXT, re.MULTILINE | re.DOTALL))


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_invariants_are_numbered_from_one() -> None:
    assert [int(number) for number in INVARIANTS] == list(range(1, len(INVARIANTS) + 1))
    assert len(INVARIANTS) >= 20


def test_every_invariant_names_a_test_that_exists() -> None:
    for number, text in INVARIANTS.items():
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
        assert named, f"T{number} names no test"
        for path, test in named:
            assert test in functions_of(ROOT / path), f"T{number}: {path}::{test} does not exist"


def test_every_claim_about_a_platform_says_how_it_is_known() -> None:
    text = (ROOT / "docs" / "verified.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    known = {"run here", "read in its source", "documented", "unknown"}
    claims = [row for row in rows if row[1].strip() not in {"claim", "word"} and len(row) == 5]
    assert len(claims) >= 30
    for row in claims:
        assert row[2].strip() in known, row
        for path, test in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row[3]):
            assert test in functions_of(ROOT / path), row
        if row[2].strip() == "run here":
            assert "`" in row[3], row
