"""The comment of each state: the verdict and the reason first, what needs attention, the rest folded."""

import re
from dataclasses import replace

import pytest
from sample_reports import GOOD, MODEL, SLICES, SOURCE, STATES, finding, report

from mlops_ci.commands.error_report import could_not_tell
from mlops_ci.core.gate.decision import decide
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.errors import PipelineError
from mlops_ci.render import render

FIRST = {
    "pass": "### ✅ malware-detector: no worse than champion v12",
    "better": "### ✅ malware-detector: better than champion v12: recall 0.912 → 0.934, a gain of 0.022",
    "fail": "### ❌ malware-detector: merging this makes the model worse: recall 0.912 → 0.897, a loss of 0.015, more than the margin 0.005, and 1 more",
    "held": "### ✋ malware-detector: waiting for approval: recall looks 0.008 worse, outside the margin 0.005, and 4,812 rows are too few to tell",
    "approved": "### ✅ malware-detector: approved by alice: recall looks 0.008 worse, outside the margin 0.005, and 4,812 rows are too few to tell",
    "needs-approval": "### ✋ malware-detector: waiting for approval: this change edits <code>mlops-ci.yaml</code>",
    "notice": "### ✅ malware-detector: not settled, but merging is allowed: no measured loss is larger than its margin",
    "blocked": "### ⛔ malware-detector: blocked, not proven to be safe: recall looks 0.008 worse, outside the margin 0.005, and 4,812 rows are too few to tell",
    "error": "### 🚫 malware-detector: could not tell whether merging is safe: the holdout changed: 120 rows are new, 4,700 are gone, 0 have another label; 112 rows in common are too few to compare on",
    "unchanged": "### ✅ malware-detector: unchanged, it makes the same predictions as champion v12",
    "no-champion": "### ✅ malware-detector: there is no champion yet, so there is nothing to compare with",
    "point-only": "### ✋ malware-detector: waiting for approval: recall looks 0.0070 worse, outside the margin 0.0050",
}


def open_part(text: str) -> str:
    """What a reader sees before unfolding anything."""
    return text.split("<details>", maxsplit=1)[0]


@pytest.mark.parametrize("state", STATES)
def test_the_first_line_says_the_verdict_and_the_reason(state: str) -> None:
    assert render(STATES[state], "comment").split("\n")[0] == FIRST[state]


@pytest.mark.parametrize("state", STATES)
def test_every_state_says_what_to_do_next(state: str) -> None:
    shown = open_part(render(STATES[state], "comment"))
    assert "**Next:** " in shown


@pytest.mark.parametrize(("state", "said"), [
    ("fail", "Improve the candidate and push again"),
    ("held", "More labelled rows would settle it (about 5,900 in all)"),
    ("held", "<code>/mlops-ci accept 3f9c1a2b7d5e4f60718293a4b5c6d7e8f9012345 &#60;reason&#62;</code>"),
    ("approved", "counts for this commit only"),
    ("notice", "Merging is allowed"),
    ("no-champion", "<code>mlops-ci adopt</code>"),
    ("pass", "this is safe to merge"),
])  # fmt: skip
def test_the_next_step_of_a_verdict(state: str, said: str) -> None:
    assert said in open_part(render(STATES[state], "comment"))


def test_only_what_needs_attention_is_unfolded() -> None:
    shown = open_part(render(STATES["fail"], "comment"))
    assert "| ❌ | recall ↑ |" in shown
    assert "| ❌ | recall ↑<br>on platform=android |" in shown
    assert "accuracy" not in shown
    assert "platform=ios" not in shown
    assert "|" not in open_part(render(STATES["pass"], "comment"))


def test_everything_else_is_folded() -> None:
    text = render(STATES["fail"], "comment")
    summaries = re.findall("<summary>(.*?)</summary>", text)
    assert summaries == [
        "All metrics",
        "Slices: 1 of 3 worse, 1 not settled",
        "Drift: 1 of 3 columns moved (<code>file&#95;size</code>)",
        "Parameters: 2 changes against the champion",
        "Versions so far: recall",
        "Pipeline: 2 of 4 stages ran (1.6 min)",
        "How it was compared",
        "Where it comes from",
        "Repeat this check on your machine",
        "1 note",
    ]
    assert text.count("<details>") == text.count("</details>") == len(summaries)


@pytest.mark.parametrize("state", STATES)
def test_no_table_has_more_than_seven_columns(state: str) -> None:
    for line in render(STATES[state], "comment").split("\n"):
        if line.startswith("|"):
            assert line.count("|") <= 8, line


def test_numbers_are_rounded_by_the_width_of_their_interval() -> None:
    one = finding("accuracy", 0.96053217, 0.96113217, (-0.0001, 0.0013), "non_inferior")
    wide = finding("recall", 0.91234, 0.90012, (-0.13, 0.1), "inconclusive")
    text = render(
        report(
            decide(
                (one, wide),
                Policy(metrics={name: MetricPolicy(metric=name) for name in ("accuracy", "recall")}),
            )
        ),
        "comment",
    )
    assert "| ✅ | accuracy ↑ | 0.9605 | 0.9611 | +0.0006 | −0.0001 to +0.0013 | 0.0100 |" in text
    assert "| ❔ | recall ↑ | 0.91 | 0.90 | −0.01 | −0.13 to +0.10 | 0.005 |" in text


def test_the_trend_is_one_small_mermaid_chart_without_a_theme() -> None:
    text = render(STATES["fail"], "comment")
    chart = text.split("```mermaid\n")[1].split("\n```")[0]
    assert 'x-axis ["v7", "v8", "v9", "v10", "v11", "v12", "this change"]' in chart
    assert "line [0.8890, 0.8930, 0.9010, 0.9050, 0.9090, 0.9120, 0.8970]" in chart
    assert 'backgroundColor: "transparent"' in chart
    assert "theme:" not in chart


def test_without_history_there_is_no_trend() -> None:
    assert "mermaid" not in render(replace(STATES["fail"], details={}), "comment")


def test_changed_parameters_are_told_and_the_others_not() -> None:
    text = render(STATES["pass"], "comment")
    assert "| params.yaml:train.depth | 8 | 6 |" in text.replace("\u2060", "")
    assert "train.eta" not in text


def test_the_check_is_repeated_by_one_line() -> None:
    text = render(STATES["pass"], "comment")
    assert (
        f"```sh\ngit fetch origin pull/431/head && git checkout {SOURCE.head} && mlops-ci check --target main\n```"
        in text
    )


@pytest.mark.parametrize("target", ["a;rm -rf ~", "$(id)", "-x", "ä", "a\nb", ""])
def test_a_target_that_is_no_plain_name_stays_out_of_the_command(target: str) -> None:
    text = render(replace(STATES["pass"], source=replace(SOURCE, target=target)), "comment")
    assert text.split("```sh\n")[1].split("\n")[0].endswith("mlops-ci check")


@pytest.mark.parametrize("head", ["", "HEAD", "$(id)", "abc; id", "abcdef"])
def test_a_head_that_is_no_commit_gives_no_command(head: str) -> None:
    assert "```sh" not in render(replace(STATES["pass"], source=replace(SOURCE, head=head)), "comment")


def test_without_drift_nothing_is_said_of_it() -> None:
    for form in ("comment", "markdown", "html"):
        assert "Drift" not in render(STATES["pass"], form)


def test_a_limit_stands_in_the_place_of_the_margin() -> None:
    one = replace(GOOD[0], champion=None, margin=None, limit=0.9)
    assert "| – | 0.9131 | – | −0.0030 to +0.0052 | ≥ 0.9000 |" in render(
        report(decide((one, GOOD[1]), Policy(metrics={}))), "comment"
    )


def test_many_findings_are_cut_and_counted() -> None:
    many = [replace(SLICES[0], slice=f"platform=p{index}") for index in range(60)]
    text = render(report(decide((*GOOD, *many), Policy(metrics={}))), "comment")
    assert "… and 50 more findings below." in open_part(text)
    assert "… and 35 more in the HTML report." in text


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("form", ["text", "markdown", "comment", "html", "json", "junit"])
def test_every_form_of_every_state_names_the_model(state: str, form: str) -> None:
    assert MODEL in render(STATES[state], form)


def test_the_mark_of_a_section_never_reaches_the_reader() -> None:
    for form in ("comment", "markdown"):
        text = render(STATES["fail"], form)
        assert not any(ord(char) < 32 and char != "\n" for char in text)


def test_the_output_of_a_failed_stage_is_a_block_below_the_reason() -> None:
    error = PipelineError(
        "stage 'train' failed: `python train.py` exited with 1\n  | Traceback <most recent>:\n  |   x = *1*",
        remedy="Run `dvc repro train` and fix the stage.",
    )
    failed = could_not_tell(MODEL, error, SOURCE)
    comment = render(failed, "comment")
    reason = "stage 'train' failed: <code>python train.py</code> exited with 1"
    assert comment.startswith(
        f"### 🚫 {MODEL}: could not tell whether merging is safe: {reason}\n\n<pre>Traceback"
    )
    assert "<pre>Traceback &#60;most recent&#62;:\n  x = &#42;1&#42;</pre>" in comment
    assert comment.count("exited with") == 1
    assert "\n   Traceback <most recent>:\n     x = *1*\n\n-> Run" in render(failed, "text")
    page = render(failed, "html")
    assert '<pre tabindex="0">Traceback &lt;most recent&gt;:\n  x = *1*</pre>' in page
