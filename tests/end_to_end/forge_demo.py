"""The demonstration's repository on a forge: where end-to-end tests start from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from act import Hub

from mlops_ci.demo.repository import DemoRepository


def demo_on_forge(hub: Hub, folder: Path) -> DemoRepository:
    """Return the demonstration's repository, with its remote on the forge; nothing is committed yet."""
    demo = DemoRepository(folder)
    demo.make()
    demo.run("git", "remote", "set-url", "origin", str(hub.remote))
    demo.dvc("remote", "modify", "storage", "url", str(demo.folder / "storage"))
    return demo


def adopt_champion(demo: DemoRepository, tracking_uri: str) -> None:
    """Make what main's pipeline produces the champion, as a team does it once by hand."""
    env = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
    adopt = ["adopt", "--from-pipeline", "--pipeline-python", sys.executable]
    subprocess.run([sys.executable, "-m", "mlops_ci", *adopt], cwd=demo.work_tree, env=env, check=True)
