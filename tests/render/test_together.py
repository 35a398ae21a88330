"""Several models in one comment: the gravest first, one budget, and no model without its row."""

import re
from dataclasses import replace

import pytest
from sample_reports import named
from test_escaping import HOSTILE, check_inert, filled, page

from mlops_ci.render import LIMITS, render, render_together

GRAVE = [named("fail", "malware"), named("held", "spam"), named("pass", "phishing")]


def test_the_first_line_is_the_gravest_verdict_and_how_many_stop_the_merge() -> None:
    first = render_together(GRAVE).split("\n")[0]
    assert first.startswith("### ❌ malware: merging this makes the model worse: recall 0.912 → 0.897")
    assert first.endswith("(2 of 3 models stop the merge)")
    fine = render_together([named("notice", "a"), named("pass", "b")])
    assert fine.startswith("### ✅ 2 models, and none stops the merge\n")


def test_each_model_has_a_row_and_what_stops_the_merge_is_open() -> None:
    text = render_together(GRAVE)
    assert re.findall(r"(?m)^\| (\S+) \| (\w+) \|", text)[:3] == [
        ("❌", "malware"),
        ("✋", "spam"),
        ("✅", "phishing"),
    ]
    assert "#### ❌ malware\n" in text
    assert "#### ✋ spam\n" in text
    assert "<details><summary>✅ phishing: no worse than champion v12</summary>" in text
    assert text.count("<details>") == text.count("</details>")
    assert text.index("#### ❌ malware") < text.index("#### ✋ spam") < text.index("✅ phishing: no worse")


def test_one_model_has_the_comment_that_it_would_have_alone() -> None:
    assert render_together([GRAVE[0]]) == render(GRAVE[0], "comment")


@pytest.mark.parametrize(("bad", "good"), [(1, 40), (5, 200), (80, 0)])
def test_the_limit_holds_for_the_shared_comment(bad: int, good: int) -> None:
    reports = [named("fail", f"bad{i}") for i in range(bad)] + [
        named("pass", f"good{i}") for i in range(good)
    ]
    text = render_together(reports)
    assert len(text.encode()) <= LIMITS["comment"]
    assert text.startswith("### ❌ bad0: merging")
    assert "#### ❌ bad0\n" in text
    assert "Left out" in text
    assert text.count("<details>") == text.count("</details>")


def test_models_that_may_be_merged_give_way_first() -> None:
    reports = [named("fail", "bad")] + [named("pass", f"good{i}") for i in range(30)]
    text = render_together(reports)
    assert "| ❌ | recall ↑<br>on platform=android |" in text
    assert "Drift: 1 of 3 columns moved" in text.split("<details><summary>✅")[0]


def hostile(value: str) -> str:
    stopped = replace(filled(value), exit_code=1)
    return render_together([stopped, replace(filled(value), exit_code=0), named("pass", f"x{value}x")])


HARMLESS = page(hostile("x"))


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_names_do_nothing_in_a_shared_comment(value: str) -> None:
    check_inert(hostile(f"a {value} b"), HARMLESS)


def test_a_team_may_extend_the_shared_comment_and_an_error_in_it_costs_nothing() -> None:
    mine = '{% extends "default/several.md.j2" %}{% block table %}Ask in ml-platform.{% endblock %}'
    text = render_together(GRAVE, {"several.md.j2": mine})
    assert "Ask in ml-platform." in text
    assert "#### ❌ malware" in text
    assert render_together(GRAVE, {"several.md.j2": "{{ nothing.at.all }}"}) == render_together(GRAVE)
