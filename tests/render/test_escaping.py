"""Values do nothing: proven through GitHub's Markdown renderer and a sanitizer, on what attackers write."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import cmarkgfm
import nh3
import pytest
from cmarkgfm.cmark import Options
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_reports import SOURCE, STATES

from mlops_ci.core.lineage import DataFile
from mlops_ci.core.report import Approval, Notice, Report
from mlops_ci.render import render
from mlops_ci.render.escaping import escape_html, escape_markdown, link, output

HOSTILE = [
    "@everyone", "@acme/owners", "a@b.example", "</details>", "<details open>", "|", "a|b|c", "`", "``x``", "```\n", "![x](http://evil.example/x.png)",
    "[click](http://evil.example)", "http://evil.example", "https://evil.example/a", "www.evil.example", "ftp://evil.example", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "<!--", "-->", "<!-- mlops-ci key=check run=1 attempt=1 head=a time=1 -->", "\u202egpj.exe", "\u2066x\u2069", "#1", "acme/shop#12", "GH-12", "gh-7", "!3", "~bug", '~"a b"', "%v1", "$5", "&7",
    "^alert#1", ":shipit:", ":+1:", "# heading", "## h", "- item", "+ item", "* item", "1. item", "> quote", "---", "===", "~~~", "\n\n# x\n\n", "\r\n", "\t", "    code", "\\", "\\|", "&lt;b&gt;", "&#64;you",
    "&commat;you", "<a href=http://evil.example>x</a>", "<http://evil.example>", "<me@evil.example>", "[x]: http://evil.example", "[^1]", "[ ]", "*bold*", "_it_", "~~gone~~", "$$x$$", "{{ 7*7 }}", "{% raw %}",
    "\x00", "\x01\x02\x03", "\x1b[31m", "\ud800", "\ufeff", "\u200b", "é", "日本", "🙂", "x" * 400, "mailto:a@b.example", "javascript:alert(1)", "xmpp:a@b.example", "]]>", "'\"", "a\u2028b", "&", "50%", "::error::x",
]  # fmt: skip
# GitHub's sanitizer, in short: raw HTML is parsed, and these survive.
TAGS = {"a", "b", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "input", "ins", "kbd", "li", "ol",
        "p", "picture", "pre", "q", "s", "samp", "source", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "th", "thead", "tr", "tt", "ul", "var"}  # fmt: skip
# What a forge makes of a page's text afterwards: mentions, references, addresses, emoji.
ACTIVE = [
    r"@[\w]", r"(?<!\w)#\d", r"\w#\d", r"(?i)\bGH-\d", r"://", r"(?i)\bwww\.", r":[\w+-]+:", r"(?<!\w)[!$%~^]\w", r"(?<!\w)~\"", r"(?i)(mailto|xmpp):\w",
]  # fmt: skip


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.text: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside.append(tag)
        given = dict(attrs)
        assert not {name for name in given if name.startswith("on") or name in {"style", "src"}}, attrs
        if tag == "a":
            self.links.append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"code", "pre"} & set(self.inside):
            self.text.append(data)


def page(markdown: str) -> Page:
    html = cmarkgfm.github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE)
    read = Page()
    read.feed(
        nh3.clean(
            html,
            tags=TAGS,
            attributes={"a": {"href"}, "img": {"src"}, "details": {"open"}, "th": {"align"}, "td": {"align"}},
        )
    )
    return read


def filled(value: Any) -> Report:
    """A report that says one value wherever a value can come from outside."""
    whole = STATES["fail"]
    findings = [
        replace(one, metric=value, slice=one.slice and value, method=value, message=value)
        for one in whole.findings
    ]
    stages = [replace(stage, name=value, outs={}, inputs=()) for stage in whole.stages]
    assert whole.lineage is not None
    assert whole.candidate is not None
    assert whole.champion is not None
    assert whole.drift is not None
    details = dict(whole.details)
    details |= {"params": {value: value, "same": 1}, "champion_params": {"same": value}}
    details["history"] = [
        one | {"version": value, "metrics": {value: one["metrics"]["recall"]}} for one in details["history"]
    ]
    details["curves"] = details["curves"] | {
        "confusion": {"labels": [value] * 2, "candidate": [[1, 2], [3, 4]], "champion": [[1, 2], [3, 4]]}
    }
    details["policy"] = {"gate": {"alpha": value}, "metrics": {value: {"margin": value}}}
    return replace(
        whole,
        model=value, headline=value, summary=value, next_step=value, findings=findings, stages=stages, details=details,
        drift=whole.drift | {"columns": [column | {"name": value, "effect": value, "message": value} for column in whole.drift["columns"]]},
        lineage=replace(whole.lineage, git_commit=value, pipeline_version=value, dvc_lock_digest=value, environment={value: value}, data=[DataFile(path=value, checksum=value)]),
        notices=[Notice(text=value, level=level) for level in ("danger", "warning", "note")],
        champion=replace(whole.champion, version=value, commit=value), candidate=replace(whole.candidate, run_id=value, digest=value),
        approval=Approval(actor=value, commit=value, reason=value),
        holdout={"digest": value, "n": 5, "uses": 1}, source=replace(SOURCE, target=value, head=value, base=value, time=value),
    )  # fmt: skip


HARMLESS = page(render(filled("x"), "comment"))


def check_inert(text: str, harmless: Page = HARMLESS, blocks: int = 0) -> None:
    """`blocks`: how many blocks of quoted output our template frames beyond those of the harmless page."""
    read = page(text)
    assert read.links == harmless.links
    assert "img" not in read.tags
    assert read.tags - Counter(code=10**6) == harmless.tags + Counter(pre=blocks) - Counter(code=10**6)
    # The footer's joined marks aside, nothing that a forge would act on is in the text.
    for data in read.text:
        for pattern in ACTIVE:
            assert not re.search(pattern, data), (pattern, data)


def check_value(value: str) -> None:
    """Check the comment of a report that says a value everywhere; a summary may quote output below itself."""
    check_inert(render(filled(value), "comment"), blocks=bool(output("markdown")(value)))


@pytest.mark.parametrize("value", HOSTILE)
def test_no_hostile_value_does_anything(value: str) -> None:
    check_value(f"a {value} b")
    check_value(value if value.strip("\x00\x01\x02\x03\ud800\ufeff\u200b \t\r\n") else f"{value}x")


@pytest.mark.parametrize("value", ["```\n  ", "x\n  </pre><script>", "x\n  ```\n  @everyone\n\n  </details>"])
def test_quoted_output_is_one_block_and_does_nothing(value: str) -> None:
    check_value(f"x{value}")


PIECES = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=8), st.sampled_from(list("`*_[]()<>|#@:!~$%^&-+=.\\\"'/ \n"))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
def test_no_mixture_of_hostile_values_does_anything(value: str) -> None:
    check_value(f"x{value}x")


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, min_size=1, max_size=12).map("".join))
def test_no_long_mixture_of_hostile_values_does_anything(value: str) -> None:
    check_value(f"x{value}")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, min_size=1, max_size=7).map("".join))
def test_nothing_hostile_gets_into_the_page(value: str) -> None:
    def tags(report: Report) -> list[str]:
        read = Page()
        read.handle_starttag = lambda tag, attrs: read.links.append(f"{tag} {[name for name, _ in attrs]}")  # type: ignore[method-assign]
        read.feed(render(report, "html"))
        return [tag for tag in read.links if not tag.startswith(("code", "rect", "text"))]

    assert tags(filled(f"x{value}x")) == tags(filled("x"))


def test_a_value_reads_as_it_is() -> None:
    for value in ("a|b", "*x*", "<b>", "`code`", "#1", "@you", "x_y_z", "C:\\data", "1. one", "- two", "50%"):
        read = page(f"before {escape_markdown(value)} after")
        assert "".join(read.text).replace("\u2060", "").strip() == f"before {value} after"


def test_lines_become_one() -> None:
    assert escape_markdown("a\r\n\n# b\u2028c") == "a # b c"
    assert escape_markdown("\u202eevil\u200b") == "evil"


def test_a_long_value_is_cut_and_shows_it() -> None:
    assert len(escape_markdown("x" * 10_000)) == 240
    assert escape_markdown("x" * 10_000).endswith("x…")
    assert len(escape_html("é" * 5_000_000)) == 240


@pytest.mark.parametrize("address", [
    "javascript:alert(1)", "//evil.example", "http://a b", "https://a/x)y", "https://a/\nb", 'https://a/"onmouseover=', "https://a/<b>", "data:text/html,x", "https://a|b", "", None, "https://" + "a" * 3000,
])  # fmt: skip
def test_what_is_no_plain_address_is_no_link(address: str | None) -> None:
    assert link(address) == ""


def test_a_plain_address_is_a_link() -> None:
    assert (
        link("https://mlflow.example.com:5000/#/runs/1?a=b&c=d")
        == "https://mlflow.example.com:5000/#/runs/1?a=b&c=d"
    )
