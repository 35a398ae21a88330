"""Moves tracked paths between the remote, the cache and the work tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mlops_ci.adapters.dvc.cache import Cache, total_size
from mlops_ci.adapters.dvc.graph import Project, Tracked
from mlops_ci.adapters.dvc.remote import Remote
from mlops_ci.adapters.dvc.run import Dvc, failure
from mlops_ci.adapters.ports import Console
from mlops_ci.errors import ServiceError

_COPIED = 100_000_000


class Store:
    """The work tree, the cache and the remote of one project.

    Attributes
    ----------
    placed
        Paths that were put into the work tree by `place`.
    """

    def __init__(self, *, root: Path, remote: Remote, dvc: Dvc, console: Console) -> None:
        self.root = root
        self.remote = remote
        self.cache = Cache(remote.cache, root)
        self.dvc = dvc
        self.console = console
        self.placed: set[str] = set()

    def absent(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        """Return what is not in the work tree."""
        return [one for one in tracked if not (self.root / one.path).exists()]

    def fetch(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        """Download what is neither in the work tree nor in the cache; return what is missing everywhere."""
        absent = self.absent(tracked)
        wanted = [one for one in absent if one.cached and one.checksum and not self.cache.whole(one)]
        imported = [one for one in wanted if one.imported]
        stored = [one for one in wanted if not one.imported]
        if stored and self.remote.configured():
            size = total_size(stored) / 1e6
            with self.console.group(f"DVC: fetch {_count(len(stored), 'path')} ({size:,.1f} MB)"):
                self._fetch(stored)
            if not all(self.cache.whole(one) for one in stored):
                self.remote.check_reachable()
        if imported:
            # An import brings a repository's own config along: it gets no credential of ours.
            with self.console.group(f"DVC: fetch {_count(len(imported), 'import')}"):
                self.dvc.call("fetch", "--", *(one.path for one in imported))
        return [one for one in absent if not (one.cached and one.checksum and self.cache.whole(one))]

    def _fetch(self, wanted: Sequence[Tracked]) -> None:
        """Fetch what the remote has and verify it; retry once if an object is corrupt."""
        self.remote.fetch(wanted)
        spoiled = self.cache.drop_spoiled(wanted)
        if not spoiled:
            return
        self.remote.fetch(wanted)
        self.cache.drop_spoiled(wanted)
        # A remote in a folder loses what DVC finds to be broken: what is not there now is not missing.
        still = [one.path for one in spoiled if not self.cache.whole(one)]
        if still:
            raise ServiceError(
                "DVC remote",
                f"it hands out other bytes than the checksum says, of {', '.join(still)}",
                remedy="See what it answers there (a proxy's login page?); if its copy is broken, run "
                "`dvc push` where the pipeline ran.",
            )

    def bring(self, tracked: Iterable[Tracked]) -> list[Tracked]:
        """Fetch, and check out what is not in the work tree; return what is missing everywhere."""
        tracked = list(tracked)
        lacking = {one.path for one in self.fetch(tracked)}
        absent = self.absent(tracked)
        there = [one for one in absent if one.path not in lacking]
        if total_size(there) <= _COPIED:
            for one in there:
                self.cache.place(one)
        else:
            # DVC links large files rather than copying them, where the project is set up so.
            done = self.dvc.call("checkout", "--", *(one.path for one in there))
            if done.returncode != 0:
                raise failure(done)
        return [one for one in absent if one.path in lacking]

    def with_listings(self, project: Project, folders: Sequence[Tracked]) -> Project:
        """Return the project with the listings of these folders: from the cache, else from the remote."""
        known = {one.checksum: files for one in folders if (files := self.cache.files(one))}
        asked = [
            one
            for one in folders
            if one.checksum.endswith(".dir") and one.cached and one.checksum not in known
        ]
        asked = [one for one in asked if not one.imported]
        if asked and self.remote.configured():
            listed = zip(asked, self.remote.listings(asked), strict=True)
            known |= {one.checksum: files for one, files in listed if files}
        return replace(project, listings={**project.listings, **known})

    def place(self, tracked: Iterable[Tracked]) -> None:
        """Check out what is in the cache and not yet in the work tree."""
        for one in self.absent(tracked):
            self.cache.place(one)
            self.placed.add(one.path)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
