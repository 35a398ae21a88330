"""The house: who may import whom, and that the core touches nothing outside."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "mlops_ci"
NUMERIC = {"numpy", "scipy", "sklearn"}
# Modules of the standard library that only compute.
PURE = set(
    "__future__ abc ast collections contextlib copy dataclasses datetime decimal difflib enum fractions functools hashlib heapq"
    " inspect itertools json math numbers operator re statistics string struct textwrap types typing uuid warnings zlib base64"
    " pathlib".split()
)
ROOMS = {
    "core": {"core"},
    "settings": {"settings", "core", "errors"},
    "adapters": {"adapters", "core", "errors"},
    "commands": {"commands", "core", "errors", "settings", "adapters.ports"},
}


def modules(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in modules(room):
        for name in imports(path):
            if name.startswith("mlops_ci."):
                inner = name.removeprefix("mlops_ci.")
                allowed = inner == "__version__" or any(
                    inner == one or inner.startswith(f"{one}.") for one in ROOMS[room]
                )
                assert allowed, f"{path.relative_to(PACKAGE)} imports {name}"


def test_the_core_imports_numeric_libraries_and_nothing_that_reaches_out() -> None:
    for path in modules("core"):
        for name in imports(path):
            top = name.split(".")[0]
            assert top in NUMERIC | PURE | {"mlops_ci"}, f"{path.relative_to(PACKAGE)} imports {name}"
            assert name in {"pathlib", "pathlib.PurePosixPath"} or not name.startswith("pathlib"), path


def test_the_core_opens_nothing() -> None:
    for path in modules("core"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"open", "print", "input", "exec", "eval", "__import__"}, path


def test_nothing_unpickles() -> None:
    banned = {"pickle", "cloudpickle", "joblib", "dill", "skops"}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in imports(path):
            assert name.split(".")[0] not in banned, f"{path.relative_to(PACKAGE)} imports {name}"
        text = path.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text
        assert "yaml.unsafe_load" not in text
