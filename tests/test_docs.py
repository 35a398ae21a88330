"""What README and the documentation say is run: Python, commands and settings; each page has its place."""

import doctest
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from guarded_repo import GuardedRepo
from jsonschema import Draft202012Validator
from sample_reports import STATES

import mlops_ci
from mlops_ci.render import render
from mlops_ci.settings import json_schema, read_settings

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from docs_blocks import Block, blocks, pages, workflow  # noqa: E402
from docs_hook import navigation  # noqa: E402

# What a page's example takes for given.
GIVEN = {
    "README.md": "import pandas as pd\nfrom pathlib import Path\nPath('reports').mkdir()\nids, labels, X = [1, 2], [0, 1], None\n"
    "class model:\n    predict = staticmethod(lambda _: [0, 1])\n"
}
ROWS = "id,y_true,y_pred\n" + "".join(f"{i},{i % 2},{i % 2}\n" for i in range(400))


def named(block: Block) -> str:
    return block.place


def unmarked(*languages: str) -> list[Block]:
    return [block for block in blocks(*languages) if not block.mark]


@pytest.mark.parametrize("block", unmarked("python"), ids=named)
def test_python_runs(block: Block, tmp_path: Path) -> None:
    code = GIVEN.get(block.page, "") + block.text
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", unmarked("pycon"), ids=named)
def test_interactive_python_gives_what_it_says(block: Block) -> None:
    given = {name: getattr(mlops_ci, name) for name in mlops_ci.__all__}
    test = doctest.DocTestParser().get_doctest(block.text, given, block.place, block.page, block.line)
    assert test.examples
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert not said, "".join(said)


def commands(block: Block) -> list[str]:
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    return [line for line in lines if line.strip() and not line.startswith("#")]


# The README's two commands make the environment and so are run by .ci/run; `tests/test_reference.py` knows them.
SHELL = [block for block in unmarked("sh", "console", "bash", "shell") if "scripts/dev" not in block.text]


@pytest.mark.parametrize("block", SHELL, ids=named)
def test_commands_run(block: Block, unguarded: GuardedRepo) -> None:
    given = {
        "report.json": render(STATES["fail"], "json"),
        "train.csv": ROWS,
        "champion.csv": ROWS,
        "candidate.csv": ROWS,
    }
    for name, text in given.items():
        (unguarded.repo.root / name).write_text(text)
    assert commands(block)
    for line in commands(block):
        program, *arguments = shlex.split(line, comments=True)
        assert program == "mlops-ci", f"{block.place}: say why it is not run: <!-- not run: ... -->"
        done = unguarded.call(*arguments)
        assert done.code == 0, (line, done.err)


YAML = blocks("yaml", "yml")


@pytest.mark.parametrize("block", YAML, ids=named)
def test_yaml_is_settings_that_are_accepted_or_a_workflow(block: Block) -> None:
    """Workflows are judged by `scripts/dev docs`: actionlint, zizmor, GitHub's schema."""
    read = yaml.safe_load(block.text)
    if block.mark:
        assert block.why
        assert read
    elif read and {"metrics", "models"} & set(read):
        read_settings(block.text.encode(), block.place)
        Draft202012Validator(json_schema()).validate(read)
    else:
        assert workflow(block) is not None or read is None, f"{block.place}: what is this?"


def test_workflows_in_the_documentation_name_pinned_actions() -> None:
    for block in YAML:
        for used in re.findall(r"\buses: (\S+)", block.text):
            assert re.fullmatch(r"\S+@[0-9a-f]{40}|OWNER/mlops-ci(/\S+\.yml)?@REF|\./\S*", used), (
                block.place,
                used,
            )


def test_every_page_has_one_place_in_the_navigation() -> None:
    listed = [page for section in navigation(ROOT / "docs") for some in section.values() for page in some]
    there = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(listed) == there
    assert listed[0] == "index.md"


def test_a_new_page_is_listed_without_being_named(tmp_path: Path) -> None:
    for name in ("index.md", "how-to/zebra.md", "how-to/ant.md", "new.md", "strange/page.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# Page\n")
    assert navigation(tmp_path) == [
        {"Start": ["index.md"]},
        {"Guides": ["how-to/ant.md", "how-to/zebra.md"]},
        {"More": ["new.md", "strange/page.md"]},
    ]


def test_links_to_files_lead_somewhere() -> None:
    """The site's build checks those between pages; these are README's, and those to files outside of docs."""
    for page in pages():
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_every_public_name_has_an_example() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    for name in mlops_ci.__all__:
        if not name.startswith("__"):
            part = page.split(f"## mlops_ci.{name}\n")[1].split("\n## ")[0]
            assert ">>> " in part, name


def test_the_settings_page_names_every_key() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    for definition in json.loads(json.dumps(json_schema()))["$defs"].values():
        for key in definition.get("properties", {}):
            assert f"`{key}" in page or f"## {key}" in page, key
