"""Renders reports as JUnit XML: a suite per model, a test case per finding."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from mlops_ci.core.report import Report
from mlops_ci.core.verdict import Finding, Outcome

# What XML 1.0 cannot hold, even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(reports: Sequence[Report]) -> str:
    """Return reports as one JUnit XML document.

    A gated finding that is worse is a failure, one that could not be compared an error; an open one is
    a failure where it holds or blocks the merge, and otherwise passes with its sentence as output.
    What is not gated is skipped. A verdict that no finding explains is a test case of its own.
    """
    suites = [_suite(report) for report in reports]
    return '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n' + "".join(suites) + "</testsuites>\n"


def _suite(report: Report) -> str:
    cases = [_case(report, finding) for finding in report.findings]
    failures = sum("<failure " in case for case in cases)
    errors = sum("<error " in case for case in cases)
    if report.exit_code and not (failures or errors):
        tag = "failure" if report.exit_code in (1, 3) else "error"
        body = _problem(tag, report.headline, f"{report.summary}\n{report.next_step}")
        cases.append(f"{_open_case(report, 'verdict')}{body}</testcase>\n")
        failures, errors = failures + (tag == "failure"), errors + (tag == "error")
    skipped = sum("<skipped" in case for case in cases)
    counts = f'tests="{len(cases)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    time = f" timestamp={_attribute(report.source.time.rstrip('Z'))}" if report.source.time else ""
    properties = "".join(
        f"<property name={_attribute(name)} value={_attribute(value)}/>\n"
        for name, value in _properties(report).items()
    )
    return (
        f"<testsuite name={_attribute(_name(report))} {counts}{time}>\n"
        f"<properties>\n{properties}</properties>\n{''.join(cases)}"
        f"<system-out>{_text(report.headline)}\n{_text(report.summary)}\n{_text(report.next_step)}</system-out>\n"
        "</testsuite>\n"
    )


def _properties(report: Report) -> dict[str, str]:
    return {
        "verdict": report.verdict.value if report.verdict else "",
        "exit_code": str(report.exit_code),
        "champion": (report.champion.version or "") if report.champion else "",
        "git_commit": report.source.head,
    }


def _case(report: Report, finding: Finding) -> str:
    name = finding.metric if finding.slice is None else f"{finding.metric} on {finding.slice}"
    start = _open_case(report, name)
    stops = report.exit_code in (1, 3)
    if not finding.gated:
        return f"{start}<skipped message={_attribute(f'not gated: {finding.message}')}/></testcase>\n"
    if finding.outcome is Outcome.ERROR:
        return f"{start}{_problem('error', finding.message, finding.method)}</testcase>\n"
    pending = finding.outcome is Outcome.INCONCLUSIVE and finding.slice is None and stops
    if finding.outcome is Outcome.WORSE or pending:
        kind = f"{finding.method}, {finding.n:,} rows"
        return f"{start}{_problem('failure', finding.message, kind)}</testcase>\n"
    return f"{start}<system-out>{_text(finding.message)}</system-out></testcase>\n"


def _open_case(report: Report, name: str) -> str:
    return f"<testcase classname={_attribute(_name(report))} name={_attribute(name)}>"


def _problem(tag: str, message: str, text: str) -> str:
    return f"<{tag} message={_attribute(message)}>{_text(text)}</{tag}>"


def _name(report: Report) -> str:
    return f"mlops-ci.{report.model}" if report.model else "mlops-ci"


def _text(value: str) -> str:
    return escape(_ILLEGAL.sub("\ufffd", value))


def _attribute(value: str) -> str:
    return quoteattr(_ILLEGAL.sub("\ufffd", value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
