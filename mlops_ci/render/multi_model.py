"""One comment for several models, the gravest first, within one size limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from mlops_ci.core.formatting import verdict_icon
from mlops_ci.core.report import Report
from mlops_ci.render.budget import fit, size
from mlops_ci.render.escaping import escape_markdown, prose

_TOLD = 3_000  # what saying which models were left out may take


def compose(
    reports: Sequence[Report],
    texts: Sequence[str],
    frame: Callable[[Mapping[str, Any]], str],
    *,
    limit: int,
    where: Callable[[Report], str],
) -> str:
    """Combine the comments of several models into one.

    Parameters
    ----------
    reports
        The gravest first.
    texts
        The comment of each, with the marks of its sections.
    frame
        Returns the text around them from the values of the template ``several``.
    limit
        In bytes, of the whole. Models that may be merged give way first, the last before the first: their
        sections, then their reports as wholes; each keeps its row in the table.
    where
        Where the reader finds what was left out of a report.
    """
    rows = [_row(report) for report in reports]
    said = [fit(text, None, where="") for text in texts]
    room = limit - size(frame({"rows": rows, "bodies": "", "left_out": []})) - _TOLD
    sizes = [size(_part(*pair)) for pair in zip(reports, said, strict=True)]

    def shorter(index: int, over: int) -> str:
        least = max(1, size(said[index]) - over)
        return fit(texts[index], least, where=where(reports[index]), told=limit)

    def nothing(index: int, over: int) -> str:
        return ""

    for shorten in (shorter, nothing):
        for index in range(len(reports) - 1, -1, -1):
            over = sum(sizes) - room
            if over > 0:
                said[index] = shorten(index, over)
                sizes[index] = size(_part(reports[index], said[index]))
    parts = [_part(report, text) for report, text in zip(reports, said, strict=True)]
    gone = [report.model for report, text in zip(reports, said, strict=True) if not text]
    bodies = Markup("".join(parts))  # noqa: S704 (rendered by their own templates)
    return frame({"rows": rows, "bodies": bodies, "left_out": gone}).strip() + "\n"


def _row(report: Report) -> dict[str, Any]:
    return {
        "icon": _icon(report),
        "model": report.model,
        "said": report.headline.removeprefix(f"{report.model}: "),
        "exit_code": report.exit_code,
    }


def _icon(report: Report) -> str:
    verdict = report.verdict.value if report.verdict else None
    return verdict_icon({"exit_code": report.exit_code, "verdict": verdict})


def _part(report: Report, text: str) -> str:
    """Return a model's part: expanded if it blocks the merge, else collapsed."""
    if not text:
        return ""
    first, _, rest = text.partition("\n")
    said = rest if first.startswith("### ") else text  # the table has it
    if report.exit_code:
        return f"\n---\n\n#### {_icon(report)} {escape_markdown(report.model)}\n\n{said}"
    title = prose("markdown")(report.headline)
    return f"<details><summary>{_icon(report)} {title}</summary>\n\n{said}\n\n</details>\n\n"
