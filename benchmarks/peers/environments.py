"""Pinned environments for peers, made by uv under a cache directory; what does not install is reported."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

# Found by trying on Python 3.11: today's pandas, numpy or scikit-learn break most of them.
PINS: dict[str, list[str]] = {
    "scipy loop": ["scipy==1.17.1", "pandas==2.3.3", "pyarrow==26.0.1", "numpy==2.4.6"],
    "evidently": ["evidently==0.7.23", "pandas==2.3.3", "pyarrow==26.0.1", "numpy==2.2.6", "scipy==1.17.1"],
    "mlflow": ["mlflow==3.17.2"],
    "dvc": ["dvc==3.67.1"],
    "gto": ["gto==1.10.1"],
    "alibi-detect": ["alibi-detect==0.13.0", "pandas==2.3.3", "pyarrow==17.0.0", "numpy==1.26.4"],
    "nannyml": [
        *["nannyml==0.13.1", "pandas==2.1.4", "pyarrow==17.0.0", "numpy==1.26.4"],
        *["scikit-learn==1.5.2", "setuptools==79.0.1"],
    ],
    "whylogs": [
        *["whylogs[viz]==1.6.4", "pandas==2.1.4", "pyarrow==17.0.0", "numpy==1.26.4", "setuptools==79.0.1"],
    ],
}


def cache() -> Path:
    """Return the folder that environments and data are kept in."""
    return Path(os.environ.get("MLOPS_CI_BENCHMARK_CACHE", Path.home() / ".cache" / "mlops-ci-benchmarks"))


def python_of(peer: str) -> Path | str:
    """Return the interpreter of a peer's environment, made if need be, or why there is none."""
    uv = shutil.which("uv")
    if uv is None:
        return "uv is not installed"
    folder = cache() / peer.replace(" ", "-")
    python = folder / "bin" / "python"
    if (folder / ".complete").exists():
        return python
    for command in (
        [uv, "venv", "-q", "--clear", "--python", "3.11", str(folder)],
        [uv, "pip", "install", "-q", "--python", str(python), *PINS[peer]],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return f"does not install: {last[:200]}"
    (folder / ".complete").touch()
    return python
