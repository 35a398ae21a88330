"""Which files an evaluation reaches: by its command, by imports, and by the paths that it names."""

import pytest

from mlops_ci.core.reachable import reachable

FILES = {
    "src/evaluate.py": "import json\nfrom scoring import score\nfrom . import local\nimport importlib\n",
    "src/scoring.py": "from helpers.deep import more\nRUN = 'tools/extra.py'\n",
    "src/local.py": "import importlib; importlib.import_module('plugins.kind')\n",
    "src/helpers/__init__.py": "",
    "src/helpers/deep.py": "def more(): import lazy\n",
    "src/lazy.py": "import subprocess\nsubprocess.run(['bash', 'scripts/go.sh'])\n",
    "scripts/go.sh": "python3 scripts/last.py --fast\n",
    "scripts/last.py": "syntax error (",
    "plugins/kind.py": "",
    "tools/extra.py": "",
    "src/json.py": "# stands before the standard library's\n",
    "src/train.py": "import training_only\n",
    "src/training_only.py": "",
    "sitecustomize.py": "",
    "pkg/__main__.py": "",
    "pkg/__init__.py": "",
    "docs/scoring.md": "",
}


def reached(command: str, *start: str) -> set[str]:
    return reachable([command], start, list(FILES), FILES.get)


def test_what_an_evaluation_reaches() -> None:
    found = reached("python src/evaluate.py --all")
    assert found == set(FILES) - {
        *("src/train.py", "src/training_only.py", "pkg/__main__.py", "pkg/__init__.py", "docs/scoring.md"),
    }


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("python -m pkg --fast", "pkg/__main__.py"),
        ("cd src && python ./train.py", "src/training_only.py"),
        ("sh -c 'bash scripts/go.sh'", "scripts/last.py"),
    ],
)
def test_what_a_command_names(command: str, path: str) -> None:
    assert path in reached(command)


def test_a_folder_of_code_stands_for_its_files() -> None:
    assert {"src/helpers/__init__.py", "src/helpers/deep.py", "src/lazy.py"} <= reached("true", "src/helpers")


def test_a_circle_ends() -> None:
    files = {"a.py": "import b", "b.py": "import a"}
    assert reachable(["python a.py"], [], list(files), files.get) == {"a.py", "b.py"}
