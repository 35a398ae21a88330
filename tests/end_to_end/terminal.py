"""A person's terminal: tmux with a shell in it, keys typed, and the screen read; nothing of this environment gets in."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path


class Terminal:
    """One tmux session.

    Parameters
    ----------
    home
        The person's home, where the shell starts.
    env
        All of the shell's environment beside HOME.
    """

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self.home, self.commands, self.seconds = home, 0, 0.0
        self._socket = str(home / ".tmux.socket")
        shell = ["env", "-i", f"HOME={home}", *(f"{key}={value}" for key, value in env.items())]
        shell += ["bash", "--noprofile", "--norc"]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "160", "-y", "50", "-c", str(home), *shell)
        self._tmux("set-option", "-g", "history-limit", "20000")

    def close(self) -> None:
        """End the session."""
        self._tmux("kill-server", check=False)

    def type(
        self, command: str, *, answers: Mapping[str, str] | None = None, timeout: float = 300
    ) -> tuple[int, str]:
        """Type a command and Enter; give each answer when its question shows; return exit code and screen.

        Parameters
        ----------
        answers
            Keys to type by a piece of the question.
        """
        self.commands += 1
        mark = f"done-{self.commands}"
        self._tmux("clear-history")
        # The shell tells the exit code in a word that the typed line itself does not contain.
        self._keys(f'{command}; echo "do""ne-{self.commands} $?"')
        waiting = dict(answers or {})
        start = time.monotonic()
        while True:
            screen = self.screen()
            ended = re.search(rf"^{mark} (\d+)$", screen, re.MULTILINE)
            if ended:
                self.seconds += time.monotonic() - start
                return int(ended[1]), screen
            for question in [question for question in waiting if question in screen]:
                self._keys(waiting.pop(question))
            assert time.monotonic() - start < timeout, f"{command}: still running\n{screen[-3000:]}"
            time.sleep(0.2)

    def screen(self) -> str:
        """Return what the terminal shows, with what scrolled away, lines joined."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def _keys(self, text: str) -> None:
        if text:
            self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-S", self._socket, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
        )
        assert not check or done.returncode == 0, f"tmux {arguments}: {done.stderr}"
        return done.stdout
