"""A newcomer in a real terminal, from an empty machine to a blocked pull request, typing what the README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from act import PASSED_ON, STAND_INS, Hub, _act, _free_port, _stand_ins, export_action
from fakes.github import GitHub
from forge_demo import demo_on_forge
from terminal import Terminal

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
MOST_COMMANDS, MOST_SECONDS = 10, 300
OURS = "acme/mlops-ci"


def commands() -> list[str]:
    """Return what the README has a newcomer type: its first shell block, and the two of 'Guard your repository'."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.findall(r"^```sh\n(.*?)\n```", text, re.DOTALL | re.MULTILINE)[0]
    section = text.partition("## Guard your repository")[2].partition("\n## ")[0]
    typed = re.findall(r"^\$ (.+?)(?: {2,}#.*)?$", section, re.MULTILINE)
    return [first.strip(), *typed]


@pytest.fixture
def github_with_models(tmp_path: Path) -> Iterator[tuple[Hub, Path]]:
    """A forge with the newcomer's repository, cloned in their home with its data; not guarded yet."""
    home = tmp_path / "home"
    home.mkdir()
    with GitHub() as github:
        hub = Hub(tmp_path, github)
        demo = demo_on_forge(hub, tmp_path / "made")
        (demo.work_tree / "mlops-ci.yaml").unlink()
        (demo.work_tree / "requirements.txt").write_text("joblib\nnumpy\npyyaml\nscikit-learn==1.6.1\n")
        demo.first_version()
        shutil.move(demo.work_tree, home / "models")
        yield hub, home


def machine(hub: Hub, home: Path) -> dict[str, str]:
    """Give the machine what it has before a newcomer sits down: git's identity, Python, a forge and its runner."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(home / "mlops-ci")], check=True)
    export_action(ROOT, home / "mlops-ci")
    (home / ".gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.org\n")
    git = ["git", "-C", str(home / "mlops-ci")]
    env = {**os.environ, "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / ".gitconfig")}
    for arguments in (
        ["remote", "add", "origin", f"https://forge.invalid/{OURS}.git"],
        ["add", "--all"],
        ["commit", "-qm", "mlops-ci"],
    ):
        subprocess.run([*git, *arguments], check=True, env=env)
    sha = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, env=env, capture_output=True, text=True
    ).stdout.strip()
    (home / "bin").mkdir()
    (home / "bin" / "act").symlink_to(_act())
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(Path(sys.base_prefix) / "bin" / "python3.11")
    action = export_action(ROOT, home.parent / "action")
    uses = ROOT / "templates" / "workflows" / "github" / "mlops-ci.yml"
    local = {f"{OURS}@{sha}": action, **_stand_ins(uses)}
    (home.parent / "artifacts" / "1").mkdir(parents=True)
    options = {
        "-P": ["ubuntu-latest=-self-hosted"],
        "-e": [str(home.parent / "event.json")],
        "--artifact-server-path": [str(home.parent / "artifacts")],
        "--artifact-server-addr": ["127.0.0.1"],
        "--artifact-server-port": [str(_free_port())],
        "--secret": [f"GITHUB_TOKEN={hub.github.token}"],
        "--var": [f"MLFLOW_TRACKING_URI=sqlite:///{home / 'mlflow.db'}"],
        "--local-repository": [f"{name}={folder}" for name, folder in local.items()],
        "--env": [
            f"GITHUB_API_URL={hub.github.url}", f"GITHUB_REPOSITORY={hub.github.repository}", "GITHUB_RUN_ID=1",
            "GITHUB_RUN_ATTEMPT=1", "GITHUB_ACTOR=ada", f"STAND_IN_REMOTES={hub.remotes}", "PAGER=cat",
            f"STAND_IN_PYTHON={home / 'theirs' / 'bin'}",
            *(f"{key}={value}" for key, value in os.environ.items() if PASSED_ON.fullmatch(key)),
            f"UV_CACHE_DIR={home / '.cache' / 'uv'}",
        ],
    }  # fmt: skip
    lines = [f"{option} {value}" for option, values in options.items() for value in values]
    (home / ".actrc").write_text("\n".join([*lines, "--no-skip-checkout", "--no-cache-server", ""]))
    subprocess.run([str(home / "bin" / "python3"), "-m", "venv", str(home / "theirs")], check=True)
    kept = {
        key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key) and key != "UV_CACHE_DIR"
    }
    path = os.pathsep.join([str(home / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
    return {
        **kept,
        "PATH": path,
        "TERM": "screen",
        "LANG": "C.UTF-8",
        "PS1": "$ ",
        "MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}",
    }


def test_from_an_empty_machine_to_a_blocked_pull_request(
    github_with_models: tuple[Hub, Path], record_property: Callable[[str, object], None]
) -> None:
    hub, home = github_with_models
    assert STAND_INS.exists(), "run tests/end_to_end/setup.sh first"
    assert shutil.which("tmux"), "install tmux first"
    typed = commands()
    assert len(typed) <= MOST_COMMANDS
    terminal = Terminal(home, machine(hub, home))
    try:
        terminal.type("cd mlops-ci")
        terminal.commands -= 1  # the README is read in the clone
        for command in typed:
            if command.startswith("act"):
                # In between, the newcomer opens the pull request on the forge's page.
                hub.open_pull(1, "faster")
                (home.parent / "event.json").write_text(json.dumps(hub.event("pull_request", 1)))
            answers = (
                {"Name of the model": "", "Also watch production": "", "Write these files?": ""}
                if command == "mlops-ci init"
                else None
            )
            code, screen = terminal.type(command, answers=answers)
            assert (code != 0) == command.startswith("act"), f"{command}\n{screen[-4000:]}"
    finally:
        terminal.close()
    (comment,) = hub.github.bodies(1)
    assert "merging this makes the model worse" in comment
    assert "accuracy falls from" in comment
    record_property("commands and seconds", (terminal.commands, round(terminal.seconds)))
    terminal_summary = f"{terminal.commands} commands, {terminal.seconds:.0f} s"
    assert terminal.commands <= MOST_COMMANDS, terminal_summary
    assert terminal.seconds <= MOST_SECONDS, terminal_summary
