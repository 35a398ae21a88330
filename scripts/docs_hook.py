"""The site's navigation: pages in a reader's order, and whatever else a folder holds after them.

A new page under docs needs no entry here: it is listed at the end of its folder's section.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
# section -> pages in order; a name that ends with a slash stands for the other pages of that folder
SECTIONS: dict[str, list[str]] = {
    "Start": ["index.md", "tutorial.md", "the-loop.md", "init.md", "how-it-works.md"],
    "Guides": ["how-to/", "report.md", "promotion.md", "canary.md", "monitoring.md"],
    "Coming from": ["coming-from/"],
    "Understand": ["explanation/verdicts.md", "explanation/drift.md", "explanation/", "ledger.md", "threat-model.md"],
    "Reference": ["reference/cli.md", "reference/settings.md", "reference/action.md", "reference/report.md",
                  "reference/templates.md", "reference/python.md", "reference/"],
    "Measured": ["verified.md", "benchmarks/", "comparison.md"],
    "Decisions": ["decisions/"],
    "More": ["/"],
}  # fmt: skip


def navigation(docs: Path) -> list[dict[str, list[str]]]:
    """Return the sections with the pages that exist; each page is in exactly one."""
    left = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    found: list[dict[str, list[str]]] = []
    named = {name for names in SECTIONS.values() for name in names}
    for title, names in SECTIONS.items():
        pages: list[str] = []
        for name in names:
            folder = name.strip("/")
            here = (
                sorted(p for p in left if p.startswith(folder) and p not in named)
                if name.endswith("/")
                else [name]
            )
            pages += [page for page in here if page in left]
            left -= set(pages)
        if pages:
            found.append({title: pages})
    return found


def on_config(config: Any) -> Any:
    """Set the navigation, and the repository's address where one is known."""
    config["nav"] = navigation(Path(config["docs_dir"]))
    config["repo_url"] = os.environ.get("MLOPS_CI_REPOSITORY_URL") or None
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Show a link to a file outside of docs as its path: on the forge it is a link, on the site there is none."""
    depth = page.file.src_uri.count("/")
    outside = "(?:\\.\\./){" + str(depth + 1) + "}"
    return re.sub(rf"\[([^\]]+)\]\({outside}([^)#]+)\)", r"\1 (`\2`)", markdown)
