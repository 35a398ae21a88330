"""A report is never over the limit, in bytes or characters; whole sections go, and it is said which."""

import time
from dataclasses import replace

import pytest
from sample_reports import GOOD, SLICES, STATES

from mlops_ci.core.report import Notice, Report
from mlops_ci.render import LIMITS, render
from mlops_ci.render.budget import fit, mark

TEXT = (
    "first\n"
    + mark("a" * 100, title="big", priority=10)
    + mark("b" * 50, title="small", priority=90)
    + "last"
)


def test_everything_stays_where_there_is_room() -> None:
    assert fit(TEXT, 10_000, where="") == "first\n" + "a" * 100 + "b" * 50 + "last\n"
    assert fit(TEXT, None, where="") == "first\n" + "a" * 100 + "b" * 50 + "last\n"


def test_the_least_important_goes_first_and_is_named() -> None:
    text = fit(TEXT, 159, where="See there.")
    assert text.startswith("first\n" + "b" * 50 + "last")
    assert "Left out, to stay within 159 bytes: big. See there." in text
    assert "small" not in text


def test_what_is_no_section_stays_even_over_the_limit() -> None:
    text = fit(TEXT, 5, where="")
    assert text.startswith("firstlast") or text.startswith("first\nlast")
    assert "small, big" in text


def test_bytes_count_and_not_characters() -> None:
    text = mark("é" * 100, title="accents", priority=1) + "x"
    assert "accents" in fit(text, 150, where="")


def huge() -> Report:
    whole = STATES["fail"]
    name = "`|@everyone</details>" * 20
    assert whole.drift is not None
    column = whole.drift["columns"][0]
    findings = [replace(one, metric=name) for one in (*whole.findings[:1], *GOOD)] + [
        replace(SLICES[0], slice=f"{name}={i}") for i in range(2_000)
    ]
    return replace(
        whole,
        model="m" * 1_000_000, headline="*" * 1_000_000, summary="<b>" * 500_000, next_step="[" * 1_000_000,
        findings=findings,
        drift=whole.drift | {"columns": [column | {"name": f"{name}{i}", "message": "&" * 500} for i in range(10_000)]},
        notices=[Notice(text="|" * 5_000, level=level) for level in ("danger", "warning", "note")] * 300,
        details=whole.details | {"params": {f"{name}{i}": name for i in range(5_000)}},
    )  # fmt: skip


@pytest.mark.parametrize("form", ["comment", "markdown"])
def test_a_huge_hostile_report_is_within_the_limit(form: str) -> None:
    text = render(huge(), form)
    assert len(text.encode()) <= LIMITS[form]
    assert text.startswith("### ❌ ")
    assert text.count("<details>") == text.count("</details>")


def test_what_was_left_out_of_a_comment_is_said() -> None:
    text = render(huge(), "comment")
    assert "Left out, to stay within 60,000 bytes: " in text
    assert "the findings" in text or "| ❌ |" in text


def test_a_comment_always_fits_github() -> None:
    assert LIMITS["comment"] < 65_536
    assert LIMITS["markdown"] < 1024 * 1024


def test_a_large_report_renders_in_every_form_quickly() -> None:
    whole = STATES["fail"]
    assert whole.drift is not None
    findings = [
        replace(one, metric=f"metric{i}", slice=f"s={j}")
        for i in range(50)
        for j in range(40)
        for one in GOOD[:1]
    ]
    report = replace(
        whole, findings=findings, drift=whole.drift | {"columns": whole.drift["columns"][:1] * 200}
    )
    render(STATES["pass"], "html")  # templates are compiled once a process
    start = time.process_time()
    for form in ("text", "markdown", "comment", "html", "json", "junit"):
        render(report, form)
    assert time.process_time() - start < 4  # benchmarks/report holds the figure; this catches a blunder
