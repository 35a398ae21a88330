# ruff: noqa: F811 (fixtures of another module)
"""A stage that looks for secrets: in two jobs it finds none of ours."""

from __future__ import annotations

import re

import pytest
from test_main_job import Shop, shop  # noqa: F401 (a fixture)

pytestmark = pytest.mark.e2e

# In pieces, so that this text, which lies in the checkout, is not what is found.
HUNT = """
import os as _os, pathlib as _p
_marks = [a + b for a, b in (("of-the-", "registry-4711"), ("job-", "token"))]
_found = []
def _look(where, data):
    for mark in _marks:
        if mark.encode() in data:
            _found.append(f"{mark[:3]}... in {where}")
_look("environment", repr(dict(_os.environ)).encode())
for _pid in filter(str.isdigit, _os.listdir("/proc")):
    try:
        _name = _p.Path(f"/proc/{_pid}/comm").read_text().strip()
        if _name in ("act", "pytest"):
            continue  # what stands for GitHub here is on this machine, too
        _argv = _p.Path(f"/proc/{_pid}/cmdline").read_bytes()
        if b"pytest" in _argv or b"/act" in _argv.split(b"\\0")[0]:
            continue
        _look(f"/proc/{_pid}/cmdline", _argv)
        _look(f"/proc/{_pid}/environ", _p.Path(f"/proc/{_pid}/environ").read_bytes())
    except OSError:
        pass
_tops = [_p.Path.cwd(), _p.Path(_os.environ["HOME"]), *_p.Path.cwd().parents[:2]]
for _top in _tops:
    for _folder, _, _files in _os.walk(_top):
        # (of the action's own checkout, its tests name the token that they use)
        if "/env/lib/" in _folder or "/.venv/" in _folder or "/artifacts" in _folder or "REF/tests" in _folder:
            continue
        for _file in _files:
            try:
                _path = _p.Path(_folder, _file)
                if _path.stat().st_size < 5_000_000 and _path.suffix not in (".so", ".pyc"):
                    _look(str(_path), _path.read_bytes())
            except OSError:
                pass
print("HUNT:", sorted(set(_found)) or "nothing", flush=True)
"""


def test_a_stage_finds_no_secret_in_two_jobs(shop: Shop) -> None:
    workflow = (shop.demo.work_tree / ".github/workflows/mlops-ci.yml").read_text()
    # The registry's password belongs to the second job alone, as the template's users add it.
    guarded = re.sub(
        r"(      - id: mlops-ci\n        uses: \S+\n)",
        r"\1        env:\n          MLFLOW_TRACKING_PASSWORD: ${{ secrets.MLFLOW_PASSWORD }}\n",
        workflow,
    )
    assert guarded != workflow
    source = (shop.demo.work_tree / "src/train.py").read_text()
    shop.hub.commit({"src/train.py": source + HUNT, ".github/workflows/mlops-ci.yml": guarded}, branch="hunt")
    shop.hub.open_pull(30, "hunt")
    run = shop.hub.run(
        ".github/workflows/mlops-ci.yml",
        number=30,
        actions={"OWNER/mlops-ci@REF": shop.action},
        variables={"MLFLOW_TRACKING_URI": shop.server.uri},
        secrets={"MLFLOW_PASSWORD": "of-the-registry-4711"},
        python=shop.python,
        timeout=900,
    )
    said = run.step("reproduce", "OWNER/mlops-ci").log
    assert "HUNT: nothing" in said, said
    assert run.jobs["reproduce"] == "success"
    assert "of-the-registry-4711" not in run.log
    # An edited workflow is told, and held: this change is one.
    assert ".github/workflows/mlops-ci.yml" in shop.comment(30).replace("\u2060", "")
