"""Make the tag of a release, beside main: `python scripts/release.py acme/mlops-ci v1.2.3`.

On a clean checkout of what is to be released, after version, changelog and surface are committed. The tag is one
commit further, in which the reusable workflows name the code; main keeps its placeholders. Nothing is pushed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from check_release import ROOT, problems, surface_problems, unnamed


def release(repository: str, tag: str, root: Path = ROOT) -> str:
    """Return the commit of the new tag.

    Raises
    ------
    SystemExit
        If something is missing; nothing is left then.
    """
    wrong = [*problems(tag, root), *surface_problems(root)]
    if _git(root, "status", "--porcelain"):
        wrong.append("the checkout has changes that are not committed")
    if _git(root, "tag", "--list", tag):
        wrong.append(f"there is a tag {tag} already")
    if wrong:
        sys.exit("\n".join(f"release: {one}" for one in wrong))
    commit = _git(root, "rev-parse", "HEAD")
    with tempfile.TemporaryDirectory(prefix="mlops-ci-release-") as folder:
        tree = Path(folder) / "tree"
        _git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            subprocess.run([str(tree / "scripts" / "name-release"), repository, tag, commit], check=True)
            _git(
                tree,
                "commit",
                "--quiet",
                "--all",
                "--message",
                f"{tag}: the reusable workflows name its code",
            )
            wrong = unnamed(tag, repository, tree)
            if wrong:
                sys.exit("\n".join(f"release: {one}" for one in wrong))
            _git(tree, "tag", "--annotate", tag, "--message", f"mlops-ci {tag}")
            return _git(tree, "rev-parse", "HEAD")
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"release: git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    made = release(sys.argv[1], sys.argv[2])
    print(f"{sys.argv[2]} is {made[:12]}. Publish it with:\n  git push origin {sys.argv[2]}")
