"""Print the notes of a release, from its section of the changelog: `python scripts/release_notes.py v1.2.3`."""

from __future__ import annotations

import sys
from pathlib import Path

from check_release import ROOT, code, notes, problems


def release_notes(tag: str, root: Path = ROOT) -> str:
    """Return the notes as Markdown; a ValueError says why there are none."""
    wrong = problems(tag, root)
    if wrong:
        raise ValueError("; ".join(wrong))
    used = code(root)
    pin = [f"Pin the action: `uses: {used} # {tag}`"] if used and not used.startswith("OWNER/") else []
    return "\n\n".join([notes(tag.removeprefix("v"), root), *pin]) + "\n"


if __name__ == "__main__":
    try:
        print(release_notes(sys.argv[1]), end="")
    except ValueError as error:
        sys.exit(f"release: {error}")
