"""The code blocks of README and docs, and the workflows among them, for tests and linters.

`python scripts/docs_blocks.py FOLDER` writes every GitHub workflow of the documentation to a folder of files: whole
ones as they are, fragments (steps, a job, triggers) filled up to a whole one.

A block that is neither run nor checked by itself has a comment in front that says why::

    <!-- not run: needs a cluster -->
    <!-- fragment: one step of the job `reproduce` -->
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"^(?:[ ]*<!-- (?P<mark>not run|fragment): (?P<why>[^\n]+) -->\n)?(?P<indent>[ ]*)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: where it stands, its language, its text, and how it is marked."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    why: str = ""

    @property
    def place(self) -> str:
        """Page and line, for messages."""
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Return README and the pages under docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(*languages: str) -> list[Block]:
    """Return all blocks in these languages."""
    return [one for page in pages() for one in _of(page) if one.language in languages]


def _of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(
            page=page.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            text=textwrap.dedent(found["text"]),
            mark=found["mark"] or "",
            why=found["why"] or "",
        )


def workflow(block: Block) -> dict[str, Any] | None:
    """Return the GitHub workflow that a block is, or is a part of; None for any other YAML."""
    read: Any = yaml.load(block.text, Loader=_Plain)  # noqa: S506 (a SafeLoader)
    job: dict[str, Any] = {"runs-on": "ubuntu-latest", "permissions": {"contents": "read"}}
    whole: dict[str, Any] = {
        "name": "fragment",
        "on": {"pull_request": {}},
        "permissions": {},
        "concurrency": {"group": "fragment-${{ github.ref }}", "cancel-in-progress": True},
    }
    if isinstance(read, list) and all(isinstance(one, dict) and {"uses", "run"} & set(one) for one in read):
        return whole | {"jobs": {"job": job | {"steps": read}}}
    if not isinstance(read, dict) or "include" in read:
        return None
    if "steps" in read:
        return whole | {"jobs": {"job": job | read}}
    if "jobs" in read:
        return {**whole, **read} if block.mark else read
    if "on" in read:
        return {**whole, **read, "jobs": {"job": job | {"steps": [{"run": "echo"}]}}}
    return None


class _Plain(yaml.SafeLoader):
    """YAML in which `on` is a word and not a truth value."""


_Plain.yaml_implicit_resolvers = {
    sign: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for sign, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def main(folder: Path) -> None:
    """Write the workflows of the documentation to a folder, with the placeholder filled in."""
    for number, block in enumerate(blocks("yaml", "yml")):
        made = workflow(block)
        if made is not None:
            name = re.sub(r"\W+", "-", f"{number} {block.page} {block.line}") + ".yml"
            text = block.text if not block.mark else yaml.safe_dump(_typed(made), sort_keys=False)
            filled = re.sub(r"OWNER/mlops-ci(\S*)@REF", "owner/mlops-ci\\1@" + "0" * 40, text)
            (folder / name).write_text(filled)


def _typed(value: Any) -> Any:
    """Return values with `true` and `false` as truth values again."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
