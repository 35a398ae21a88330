"""Reports in a real browser: nothing scrolls sideways, nothing is clipped, contrast is AA, axe is content.

With MLOPS_CI_IMAGES set to a folder (`docs/images`), the pictures of the documentation are made anew.
"""

import os
from pathlib import Path

import pytest
from sample_reports import STATES, named

from mlops_ci.render import render, render_together

pytestmark = pytest.mark.e2e

browser = pytest.importorskip("browser", reason="needs the group e2e")
if not browser.available():
    pytest.skip("run tests/end_to_end/setup.sh first", allow_module_level=True)

IMAGES = os.environ.get("MLOPS_CI_IMAGES")
PAGES = ("pass", "fail", "held", "error", "unchanged", "no-champion")
LOOKS = [(860, False), (860, True), (390, False), (390, True)]


def name(kind: str, state: str, width: int, dark: bool) -> str:
    return f"{kind}-{state}{'-phone' if width < 500 else ''}{'-dark' if dark else ''}.png"


@pytest.mark.parametrize(("width", "dark"), LOOKS)
@pytest.mark.parametrize("state", STATES)
def test_the_comment_in_githubs_look(state: str, width: int, dark: bool, tmp_path: Path) -> None:
    with browser.browser_page(width, dark=dark) as page:
        page.set_content(browser.as_github_shows(render(STATES[state], "comment"), dark=dark))
        if state == "fail":
            page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
            browser.draw_mermaid(page, dark=dark)
            assert page.locator(".mermaid svg").count() == 1
            browser.keep(page, Path(IMAGES or tmp_path) / name("comment-open", state, width, dark))
            page.eval_on_selector_all("details", "all => all.forEach(one => one.open = false)")
        assert not browser.scrolls_sideways(page)
        assert browser.clipped(page) == []
        # A wide table scrolls inside of itself on a phone; GitHub wraps it so that the keyboard reaches it.
        found = [one for one in browser.problems(page) if not one.startswith("scrollable-region-focusable")]
        assert found == []
        browser.keep(page, Path(IMAGES or tmp_path) / name("comment", state, width, dark))


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_the_comment_of_several_models(width: int, dark: bool, tmp_path: Path) -> None:
    text = render_together([named("fail", "malware"), named("held", "spam"), named("pass", "phishing")])
    with browser.browser_page(width, dark=dark) as page:
        page.set_content(browser.as_github_shows(text, dark=dark))
        assert not browser.scrolls_sideways(page)
        assert browser.clipped(page) == []
        found = [one for one in browser.problems(page) if not one.startswith("scrollable-region-focusable")]
        assert found == []
        browser.keep(page, Path(IMAGES or tmp_path) / name("comment", "together", width, dark))


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (1100, True), (390, False)])
@pytest.mark.parametrize("state", PAGES)
def test_the_page(state: str, width: int, dark: bool, tmp_path: Path) -> None:
    text = render(STATES[state], "html")
    place = tmp_path / "report.html"
    place.write_text(text, encoding="utf-8")
    asked: list[str] = []
    with browser.browser_page(width, dark=dark) as page:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(place.as_uri())
        assert asked == [place.as_uri()]
        assert not browser.scrolls_sideways(page)
        assert browser.clipped(page) == []
        browser.keep(page, Path(IMAGES or tmp_path) / name("page", state, width, dark))
    with browser.browser_page(width, dark=dark) as page:
        # The page's own policy forbids scripts, axe's too: it looks at a copy without it.
        page.set_content(text.replace("Content-Security-Policy", "X-None"))
        assert browser.problems(page) == []


def test_the_page_is_read_by_keyboard_alone(tmp_path: Path) -> None:
    place = tmp_path / "report.html"
    place.write_text(render(STATES["fail"], "html"), encoding="utf-8")
    with browser.browser_page(390) as page:
        page.goto(place.as_uri())
        seen = set()
        for _ in range(40):
            page.keyboard.press("Tab")
            seen.add(
                page.evaluate(
                    "document.activeElement.getAttribute('aria-label') || document.activeElement.tagName"
                )
            )
        assert {"Metrics", "Slices", "Confusion", "Stages", "SUMMARY", "PRE"} <= seen
