"""The user's templates: they override blocks, and an error in one never costs the verdict."""

import pytest
from sample_reports import STATES

from mlops_ci.render import render

FAIL = STATES["fail"]
FIRST = render(FAIL, "comment").split("\n")[0]


def test_a_block_is_overridden_and_the_rest_stays() -> None:
    mine = "{% extends 'default/check.md.j2' %}{% block footer %}Ask in #ml-team about {{ report.model }}.{% endblock %}"
    text = render(FAIL, "comment", {"check.md.j2": mine})
    assert text.rstrip().endswith("Ask in #ml-team about malware-detector.")
    assert text.startswith(FIRST)
    assert "alpha 0.05, one-sided" not in text


def test_the_base_can_be_overridden_for_all_commands() -> None:
    mine = "{% extends 'default/report.md.j2' %}{% block next %}See the wiki.{% endblock %}"
    text = render(FAIL, "comment", {"report.md.j2": mine})
    assert "See the wiki." in text
    assert "**Next:**" not in text
    assert "<summary>All metrics</summary>" in text


def test_a_block_can_add_to_ours() -> None:
    mine = (
        "{% extends 'default/check.md.j2' %}{% block summary %}{{ super() }}\nOn call: team A.{% endblock %}"
    )
    text = render(FAIL, "comment", {"check.md.j2": mine})
    assert "On call: team A." in text
    assert "recall falls from" in text


def test_a_section_of_the_user_takes_part_in_the_budget() -> None:
    mine = (
        "{% extends 'default/check.md.j2' %}{% block notes %}{% call section('mine', 5) %}{% for i in range(4000) %}long enough to be dropped {% endfor %}"
        "{% endcall %}{% endblock %}"
    )
    text = render(FAIL, "comment", {"check.md.j2": mine})
    assert "Left out, to stay within 60,000 bytes: mine." in text
    assert "<summary>All metrics</summary>" in text


def test_values_are_escaped_in_the_users_templates_too() -> None:
    mine = "{% extends 'default/check.md.j2' %}{% block footer %}{{ report.command ~ '<b>@you</b>' }}{% endblock %}"
    assert (
        render(FAIL, "comment", {"check.md.j2": mine})
        .rstrip()
        .endswith("check&#60;b&#62;@\u2060you&#60;/b&#62;")
    )


@pytest.mark.parametrize(("template", "place", "problem"), [
    ("{% extends 'default/check.md.j2' %}\n{% block footer %}\n{{ report.nonsense }}{% endblock %}", "line 3", "nonsense"),
    ("{% extends 'default/check.md.j2' %}\n{% block footer %}", "line 2", "end of template"),
    ("{% extends 'none.md.j2' %}", "line 1", "none.md.j2"),
    ("\n{{ 1 / 0 }}", "line 2", "division by zero"),
    ("\n\n{{ ''.__class__.__mro__ }}", "line 3", "unsafe"),
    ("{{ range(10 ** 9) | list }}", "line 1", "Range too big"),
    ("{% include 'check.md.j2' %}", "line 1", ""),
])  # fmt: skip
def test_an_error_is_told_with_file_and_line_and_the_default_is_used(
    template: str, place: str, problem: str
) -> None:
    text = render(FAIL, "comment", {"check.md.j2": template})
    assert text.startswith(FIRST)
    assert f"<code>.mlops-ci/templates/check.md.j2</code>, {place}" in text
    assert problem in text.replace("\u2060", "")
    assert "<summary>All metrics</summary>" in text


def test_one_forms_template_does_not_touch_another_form() -> None:
    assert render(FAIL, "html", {"check.md.j2": "{{ broken"}) == render(FAIL, "html")


def test_templates_see_the_report_and_nothing_else() -> None:
    for probe in (
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ report.__class__ }}",
        "{{ report.update({'verdict': 'pass'}) }}",
    ):
        text = render(FAIL, "comment", {"check.md.j2": probe})
        assert text.startswith(FIRST)
