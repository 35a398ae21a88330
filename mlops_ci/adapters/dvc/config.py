"""DVC's configuration, read as text: the cache directory and the remotes.

Read without DVC, since only a config that is trusted may be in force while the remote's credential is
near: a remote can name a program (``credential_process``) that runs before any stage does.
"""

from __future__ import annotations

import configparser
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlops_ci.errors import UsageError

_REMOTE = re.compile(r"""^'?remote "(?P<name>.+)"'?$""")
_PATHS = frozenset(
    {
        *("url", "gdrive_user_credentials_file", "gdrive_service_account_json_file_path", "credentialpath"),
        *("configpath", "keyfile", "cert_path", "key_path", "ssl_verify"),
    }
)


class DvcConfig:
    """One level of DVC's configuration (``.dvc/config`` or ``.dvc/config.local``).

    Parameters
    ----------
    text
        Its content.
    folder
        The directory that its relative paths start from.
    """

    def __init__(self, text: str, folder: Path) -> None:
        self.folder = folder
        self._parser = configparser.RawConfigParser(
            strict=False, delimiters=("=",), comment_prefixes=("#",), inline_comment_prefixes=("#",)
        )
        try:
            self._parser.read_string(text)
        except configparser.Error as error:
            raise UsageError(
                f".dvc/config cannot be read: {error.message}",
                remedy="Fix it, or write it with `dvc remote`.",
            ) from error

    def cache_dir(self) -> Path | None:
        """Return the cache directory that is set here, or None."""
        value = _bare(self._parser.get("cache", "dir", fallback=""))
        return self._absolute(value) if value else None

    def remotes(self) -> Mapping[str, str]:
        """Return the URL of each remote by its name; empty if this level only adds to one."""
        return {
            match["name"]: _bare(self._parser.get(section, "url", fallback=""))
            for section in self._parser.sections()
            if (match := _REMOTE.match(section))
        }

    def endpoints(self) -> Iterator[str]:
        """Yield the endpoints that the remotes depend on: absolute paths and HTTP addresses."""
        for section in self._parser.sections():
            if not _REMOTE.match(section):
                continue
            url = _bare(self._parser.get(section, "url", fallback=""))
            endpoint = _bare(self._parser.get(section, "endpointurl", fallback=""))
            if endpoint or url.startswith(("http://", "https://")):
                yield endpoint or url
            elif url and "://" not in url:
                yield str(self._absolute(url))

    def relocated(self, overrides: Mapping[tuple[str, str], str]) -> str:
        """Return the text with relative paths made absolute, so that it is valid from any directory.

        Parameters
        ----------
        overrides
            Values to set, by section and key.
        """
        for section in self._parser.sections():
            if _REMOTE.match(section):
                for key, value in self._parser.items(section):
                    path = _bare(value)
                    # `ssl_verify` is a switch or a path; a remote may build on another (`remote://`).
                    if key in _PATHS and path.lower() not in {"true", "false"} and "://" not in path:
                        self._parser.set(section, key, str(self._absolute(path)))
        for (section, key), value in overrides.items():
            if not self._parser.has_section(section):
                self._parser.add_section(section)
            self._parser.set(section, key, value)
        out = io.StringIO()
        self._parser.write(out)
        return out.getvalue()

    def _absolute(self, path: str) -> Path:
        return Path(os.path.normpath(self.folder / Path(path).expanduser()))


def cache_directory(root: Path) -> Path:
    """Return the cache that DVC uses in a project: as its config says, or ``.dvc/cache``."""
    folder = root / ".dvc"
    for name in ("config.local", "config"):
        path = folder / name
        if path.is_file():
            configured = DvcConfig(path.read_text(encoding="utf-8"), folder).cache_dir()
            if configured is not None:
                return configured
    return folder / "cache"


def _bare(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" else value
