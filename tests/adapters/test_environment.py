"""The environment of stages: what programs need, and no secret."""

import os
import sys
from pathlib import Path

from mlops_ci.adapters.environment import stage_environment

OURS = str(Path(sys.executable).parent)
HOST = {
    "PATH": f"{OURS}:/usr/local/bin:/usr/bin",
    "HOME": "/home/ada",
    "LANG": "C.UTF-8",
    "LC_NUMERIC": "de_DE.UTF-8",
    "OMP_NUM_THREADS": "2",
    "CUDA_VISIBLE_DEVICES": "0",
    "VIRTUAL_ENV": str(Path(sys.prefix)),
    "PYTHONPATH": "/our/package",
    "PYTHONHOME": "/our/python",
    "GITHUB_TOKEN": "t",
    "GITHUB_ENV": "/runner/env",
    "GITHUB_OUTPUT": "/runner/output",
    "GITHUB_STEP_SUMMARY": "/runner/summary",
    "ACTIONS_RUNTIME_TOKEN": "t",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "u",
    "MLFLOW_TRACKING_URI": "http://u",
    "MLFLOW_TRACKING_PASSWORD": "p",
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "s",
    "AWS_PROFILE": "prod",
    "DVC_STUDIO_TOKEN": "t",
    "GOOGLE_APPLICATION_CREDENTIALS": "/creds.json",
    "CONDA_TOKEN": "t",
    "TF_API_KEY": "k",
    "HTTPS_PROXY": "http://ada:pw@proxy:3128",
    "http_proxy": "http://proxy:3128",
    "BASH_ENV": "/evil",
    "LD_PRELOAD": "/evil.so",
    "NODE_OPTIONS": "--require evil",
}


def test_an_allow_list_keeps_what_programs_need_and_no_secret() -> None:
    assert set(stage_environment(HOST)) - {"PYTHONUNBUFFERED"} == {
        *("PATH", "HOME", "LANG", "LC_NUMERIC", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "http_proxy"),
        "VIRTUAL_ENV",
    }


def test_what_the_user_names_is_passed() -> None:
    passed = stage_environment(HOST, ["AWS_ACCESS_KEY_ID", "PYTHONPATH", "NOT_SET"])
    assert passed["AWS_ACCESS_KEY_ID"] == "a"
    assert passed["PYTHONPATH"] == "/our/package"
    assert "NOT_SET" not in passed
    assert "AWS_SECRET_ACCESS_KEY" not in passed


def test_who_installs_us_beside_their_pipeline_finds_its_programs() -> None:
    made = stage_environment(HOST)
    assert made["PATH"] == HOST["PATH"]
    assert made["VIRTUAL_ENV"] == HOST["VIRTUAL_ENV"]


def test_the_users_interpreter_comes_first(tmp_path: Path) -> None:
    theirs = tmp_path / "venv" / "bin" / "python"
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    made = stage_environment(HOST, python=theirs)
    assert made["PATH"].split(os.pathsep)[0] == str(theirs.parent)
    assert made["VIRTUAL_ENV"] == str(tmp_path / "venv")
    assert "PYTHONHOME" not in made


def test_another_virtual_environment_of_the_user_is_kept() -> None:
    assert stage_environment({**HOST, "VIRTUAL_ENV": "/home/ada/venv"})["VIRTUAL_ENV"] == "/home/ada/venv"
