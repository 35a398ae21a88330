"""The environment variables of the user's stages: an allow-list, so that no secret leaks into them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_NAMES = frozenset(
    {
        *(
            "PATH",
            "HOME",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "LANGUAGE",
            "TZ",
            "TMPDIR",
            "TEMP",
            "TMP",
            "TERM",
            "COLUMNS",
            "CI",
            "RUNNER_OS",
            "RUNNER_ARCH",
        ),
        *(
            "LD_LIBRARY_PATH",
            "DYLD_LIBRARY_PATH",
            "LIBRARY_PATH",
            "JAVA_HOME",
            "R_HOME",
            "R_LIBS",
            "R_LIBS_USER",
        ),
        *("VIRTUAL_ENV", "pythonLocation", "Python_ROOT_DIR", "Python3_ROOT_DIR", "PKG_CONFIG_PATH"),
        *(
            "PYTHONHASHSEED",
            "PYTHONUTF8",
            "PYTHONIOENCODING",
            "PYTHONUNBUFFERED",
            "PYTHONWARNINGS",
            "PYTHONDONTWRITEBYTECODE",
        ),
        *(
            "HF_HOME",
            "HF_HUB_OFFLINE",
            "TORCH_HOME",
            "KERAS_HOME",
            "TRANSFORMERS_OFFLINE",
            "SOURCE_DATE_EPOCH",
        ),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)
_PREFIXES = (
    "LC_", "OMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "VECLIB_", "BLIS_", "KMP_", "CUDA_", "CUDNN_", "NVIDIA_",
    "NCCL_", "ROCM_", "HIP_", "TF_", "XLA_", "PYTORCH_", "CONDA_", "MAMBA_", "PYENV_", "XDG_", "SPARK_",
)  # fmt: skip
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_LOGIN = re.compile(r"://[^/@:\s]*:([^/@\s]+)@")
_SHORTEST = 6
_PROXY_LOGIN = re.compile(r"://[^/@]*@")


def stage_environment(
    environ: Mapping[str, str], passed: Sequence[str] = (), python: Path | None = None
) -> dict[str, str]:
    """Return the environment in which stages of the user run.

    It holds what programs need to find their way (paths, locale, threads, devices) and what the user
    passes by name (`pipeline.environment`). Tokens, the forge's command files, and the settings of MLflow,
    DVC and clouds are not in it. PATH stays as the user set it: the action never puts our own environment
    there, and who installs us beside their pipeline wants its programs found.

    This is hygiene, not a boundary: a process of the same user can read its parent's environment.

    Parameters
    ----------
    environ
        Where values are taken from.
    passed
        Names that the user passes on, secrets or not.
    python
        The user's interpreter; its directory comes first on PATH.
    """
    kept = {name: value for name, value in environ.items() if name in passed or _harmless(name, value)}
    path = [entry for entry in kept.get("PATH", os.defpath).split(os.pathsep) if entry]
    if python is not None:
        path.insert(0, str(python.parent))
        root = python.parent.parent
        if (root / "pyvenv.cfg").is_file():
            kept["VIRTUAL_ENV"] = str(root)
    kept["PATH"] = os.pathsep.join(dict.fromkeys(path))
    # Lines of a Python stage are streamed when they are printed, not when a buffer is full.
    kept.setdefault("PYTHONUNBUFFERED", "1")
    return kept


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """Return the values that a log must not show: variables named like secrets, and credentials in addresses.

    The forge masks its own secrets; not what is part of one, or came from elsewhere.
    """
    found = [
        value
        for name, value in environ.items()
        if _SECRET.search(name.replace("AUTHOR", ""))
        and not name.endswith(("_URL", "_SOCK", "_FILE", "_PATH"))
    ]
    for value in environ.values():
        found += _LOGIN.findall(value)
    return sorted({value for value in found if len(value) >= _SHORTEST and "\n" not in value})


def _harmless(name: str, value: str) -> bool:
    if _SECRET.search(name) or (name.lower().endswith("_proxy") and _PROXY_LOGIN.search(value)):
        return False
    return name in _NAMES or name.startswith(_PREFIXES)
