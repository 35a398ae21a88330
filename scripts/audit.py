"""Look up known vulnerabilities of what is locked, and tell an answer from none.

pip-audit skips a package that its service does not know, and then finds nothing; where the service cannot be
reached it ends as if it had found something. Neither is an answer, so what it looked up is counted here.

    python scripts/audit.py [--required] --requirement FILE [--requirement FILE] [-- PIP-AUDIT'S OPTIONS]

Exit 0: every package was looked up, and nothing is known against any; or no service answered, which is said, and
is a failure with `--required`. Exit 1: a known vulnerability, or only a part was looked up, or pip-audit failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The last line of pip-audit, or of requests in it, when nobody answers.
UNREACHED = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "Could not connect", "ServiceError")


def lookup(requirements: list[Path], options: list[str]) -> tuple[list[dict[str, Any]] | None, str]:
    """Run pip-audit; return what it says of each package (None without a report), and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "audit.json"
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
        command += ["--progress-spinner", "off", "--format", "json", "--output", str(report)]
        for path in requirements:
            command += ["--requirement", str(path)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if report.exists() and report.stat().st_size:
            return json.loads(report.read_text(encoding="utf-8"))["dependencies"], done.stderr
        return None, done.stderr


def judge(found: list[dict[str, Any]] | None, printed: str, required: bool) -> tuple[int, list[str]]:
    """Return the exit code and what to say."""
    if found is None and not any(word in printed for word in UNREACHED):
        return 1, [printed.rstrip(), "pip-audit failed"]
    looked_up = [one for one in found or [] if "skip_reason" not in one]
    if not looked_up:
        said = "no vulnerability service answered: nothing is known about any package, this is no clean bill"
        return (1 if required else 0), [said]
    said = [
        f"{one['name']} {one['version']}: {each['id']}, fixed in {', '.join(each['fix_versions']) or 'no version'}"
        for one in looked_up
        for each in one["vulns"]
    ]
    skipped = [one["name"] for one in found or [] if "skip_reason" in one]
    known = len(said)
    if skipped:
        said.append(f"{len(skipped)} packages were not looked up: {', '.join(skipped[:5])}")
    said.append(f"{len(looked_up)} packages looked up, {known} known vulnerabilities")
    return (1 if known or skipped else 0), said


def main() -> None:
    """Audit; end with the code that says what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--required", action="store_true", help="no answer is a failure")
    parser.add_argument("--requirement", type=Path, action="append", required=True)
    parser.add_argument("options", nargs="*", help="passed to pip-audit, after --")
    options = parser.parse_args()
    code, said = judge(*lookup(options.requirement, options.options), options.required)
    for line in said:
        print(f"audit: {line}")
    sys.exit(code)


if __name__ == "__main__":
    main()
