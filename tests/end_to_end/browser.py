"""A real browser, and GitHub's look: its Markdown renderer, a sanitizer, its style sheet, and mermaid."""

from __future__ import annotations

import html
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cmarkgfm
import nh3
from cmarkgfm.cmark import Options
from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[2]
PARTS = ROOT / ".cache" / "end_to_end" / "browser" / "node_modules"
TAGS = set(nh3.ALLOWED_TAGS) | {"details", "summary", "input", "sub", "sup", "kbd"}
MERMAID = re.compile(r'<pre lang="mermaid"><code>(.*?)</code></pre>', re.DOTALL)


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def available() -> bool:
    return bool(chromium()) and (PARTS / "mermaid").is_dir() and (PARTS / "axe-core").is_dir()


def as_github_shows(markdown: str, *, dark: bool) -> str:
    """A page that holds a comment as GitHub shows it; foreign style, scripts and attributes are gone."""
    raw = cmarkgfm.github_flavored_markdown_to_html(
        markdown, options=Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_GITHUB_PRE_LANG
    )
    clean = nh3.clean(
        raw,
        tags=TAGS,
        attributes={"a": {"href"}, "pre": {"lang"}, "th": {"align"}, "td": {"align"}, "details": {"open"}},
    )
    body = MERMAID.sub(lambda found: f'<div class="mermaid">{found[1]}</div>', clean)
    style = (PARTS / "github-markdown-css" / f"github-markdown-{'dark' if dark else 'light'}.css").read_text()
    page = "#0d1117" if dark else "#fff"
    # GitHub cuts long words in a comment, and lets its tables scroll inside of themselves.
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>comment</title><style>{style} body {{ margin: 0; padding: 16px; background: {page} }} .markdown-body {{ font-size: 14px; overflow-wrap: break-word }}
.mermaid {{ text-align: center }} .mermaid svg {{ max-width: 100%; height: auto }}</style></head>
<body><main class="markdown-body" aria-label="{html.escape("comment")}">{body}</main></body></html>"""


@contextmanager
def browser_page(width: int, *, dark: bool = False, scale: int = 2) -> Iterator[Page]:
    """A tab without a network."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
            offline=True,
        )
        try:
            yield context.new_page()
        finally:
            browser.close()


def draw_mermaid(page: Page, *, dark: bool) -> None:
    page.add_script_tag(path=str(PARTS / "mermaid" / "dist" / "mermaid.min.js"))
    page.evaluate(
        "async dark => { mermaid.initialize({startOnLoad: false, theme: dark ? 'dark' : 'default'}); await mermaid.run({querySelector: '.mermaid'}); }",
        dark,
    )


def problems(page: Page) -> list[str]:
    """What axe finds that is serious or critical, contrast among it."""
    page.add_script_tag(path=str(PARTS / "axe-core" / "axe.min.js"))
    found: dict[str, Any] = page.evaluate(
        "async () => await axe.run(document, {resultTypes: ['violations']})"
    )
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]} {one['nodes'][0].get('failureSummary', '')[:200]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def clipped(page: Page) -> list[str]:
    """Cells and boxes whose text does not fit, and that nothing lets a reader scroll to."""
    script = """() => [...document.querySelectorAll('td, th, dd, dt, p, li, h1, h2, h3, figcaption, .what, .num')]
      .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
      .map(e => e.textContent.slice(0, 80))"""
    found: list[str] = page.evaluate(script)
    return found


def keep(page: Page, place: Path, *, most_height: int = 2600) -> None:
    """Save what is shown as a small PNG."""
    place.parent.mkdir(parents=True, exist_ok=True)
    tall = min(most_height, page.evaluate("Math.ceil(document.body.getBoundingClientRect().bottom)") + 8)
    width = page.viewport_size["width"] if page.viewport_size else 860
    shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": tall})
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    if image.height > 2_000:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    # By coverage: the median cut turns the few red, green and orange pixels of a long picture grey.
    image.quantize(128, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        place, optimize=True
    )
