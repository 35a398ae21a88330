"""Text files of the working tree that `init` writes and `doctor` reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mlops_ci.adapters.files import write_atomic
from mlops_ci.errors import UsageError


class LocalWorkTree:
    """The working tree of a repository (implements `ports.onboarding.WorkTree`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def text(self, path: str) -> str | None:
        """Return a file's text, or None if there is none."""
        place = self.root / path
        try:
            return place.read_text(encoding="utf-8") if place.is_file() else None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read as text: {error}", remedy="fix or move it") from None

    def write(self, path: str, text: str) -> None:
        """Write a file, whole or not at all."""
        place = self.root / path
        if not place.parent.resolve().is_relative_to(self.root.resolve()):
            raise UsageError(f"{path} leads out of the repository", remedy="remove the link in its way")
        try:
            write_atomic(place, text)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {error.strerror}", remedy="see to its folder"
            ) from None

    def workflows(self) -> Mapping[str, str]:
        """Return the text of each workflow by its path."""
        folder = self.root / ".github" / "workflows"
        found = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")]) if folder.is_dir() else []
        texts = {
            path.relative_to(self.root).as_posix(): self.text(path.relative_to(self.root).as_posix())
            for path in found
        }
        return {path: text for path, text in texts.items() if text is not None}
