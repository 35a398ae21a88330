"""The reference pages are what the code says, and the documentation's own examples are right."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from mlops_ci.settings import json_schema, read_settings

ROOT = Path(__file__).parents[1]


def test_the_reference_is_current() -> None:
    script = "import runpy; print(__import__('json').dumps({str(k): v for k, v in runpy.run_path('scripts/write_reference.py')['pages']().items()}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for path, text in json.loads(done.stdout).items():
        assert Path(path).read_text(encoding="utf-8") == text, "run `python scripts/write_reference.py`"


def settings_blocks() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [
        block
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    indented = [textwrap.dedent(block) for block in found]
    return [block for block in indented if block.lstrip().startswith("registry:")]


@pytest.mark.parametrize("block", settings_blocks())
def test_settings_in_the_documentation_are_accepted(block: str) -> None:
    read_settings(block.encode(), "documentation")


def test_the_schema_accepts_the_demo_and_refuses_a_typo() -> None:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json_schema())
    good = yaml.safe_load((ROOT / "templates" / "demo" / "mlops-ci.yaml").read_text())
    assert validator.is_valid(good)
    assert validator.is_valid({"models": [good]})
    assert not validator.is_valid({**good, "gat": {}})


def test_the_first_two_shell_blocks_of_the_readme_are_the_two_commands() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert [block.strip() for block in blocks[:2]] == ["scripts/dev demo", "scripts/dev test"]
