"""Draw the pictures of docs/explanation/verdicts.md, from the product's own numbers, as plain SVG.

python -m benchmarks.verdict_pictures [--output docs/assets]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from mlops_ci.core.gate.power import rows_for_disagreement
from mlops_ci.core.gate.proportions import tango_interval, tango_statistic

# Colours that read on white and on black alike.
GOOD, BAD, OPEN, INK = "#2da44e", "#d1242f", "#bf8700", "#7d8590"


def svg(width, height, parts):
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13" fill="{INK}">\n{body}\n</svg>\n'
    )


def text(x, y, words, anchor="start", fill=INK):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'


def line(x0, y0, x1, y1, colour=INK, width=1, dash=""):
    more = f' stroke-dasharray="{dash}"' if dash else ""
    ends = f'x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{more}/>'


def outcomes():
    """Five intervals against one margin: each outcome in one picture."""
    z, margin, n = float(ndtri(0.95)), 0.01, 5000
    cases = [
        ("better", GOOD, n, 190, 110),
        ("non_inferior", GOOD, n, 80, 84),
        ("non_inferior, measurably worse", GOOD, n, 40, 65),
        ("inconclusive", OPEN, 700, 20, 24),
        ("inconclusive, a proven loss", OPEN, 2000, 30, 56),
        ("worse", BAD, n, 70, 190),
    ]
    left, right, low, high = 240, 620, -0.05, 0.035

    def x(value):
        return left + (value - low) / (high - low) * (right - left)

    parts = [
        line(x(0), 20, x(0), 232, INK, 1.5),
        line(x(-margin), 20, x(-margin), 232, BAD, 1.5, "5 4"),
        text(x(0), 250, "no difference", "middle"),
        text(x(-margin) - 6, 14, "the margin, −0.01", "middle", BAD),
        text(left, 268, "← candidate is worse"),
        text(right, 268, "candidate is better →", "end"),
    ]
    for row, (name, colour, rows, gained, lost) in enumerate(cases):
        lower, upper = (float(end) for end in tango_interval(rows, gained, lost, z))
        y = 40 + 34 * row
        parts += [
            text(8, y + 4, name, fill=colour),
            line(x(lower), y, x(upper), y, colour, 3),
            line(x(lower), y - 6, x(lower), y + 6, colour, 3),
            line(x(upper), y - 6, x(upper), y + 6, colour, 3),
            f'<circle cx="{x((gained - lost) / rows):.1f}" cy="{y}" r="5" fill="{colour}"/>',
        ]
    return svg(640, 280, parts)


def curves():
    """How often each rule blocks, against the true loss: 3,000 rows, 6% disagreement, margin 0.01."""
    n, share, margin, runs = 3000, 0.06, 0.01, 20_000
    z = float(ndtri(0.95))
    losses = np.linspace(-0.01, 0.04, 26)
    rng = np.random.default_rng(0)
    naive, fails, passes = [], [], []
    for loss in losses:
        counts = rng.multinomial(n, [(share - loss) / 2, (share + loss) / 2, 1 - share], size=runs)
        gained, lost = counts[:, 0], counts[:, 1]
        statistic = tango_statistic(n, gained, lost, -margin)
        naive.append((lost > gained).mean())
        fails.append((statistic < -z).mean())
        passes.append((statistic > z).mean())
    left, right, top, bottom = 60, 600, 30, 240

    def at(loss, rate):
        return left + (loss + 0.01) / 0.05 * (right - left), bottom - rate * (bottom - top)

    parts = [line(left, bottom, right, bottom), line(left, top, left, bottom)]
    for rate in (0, 0.5, 1):
        parts.append(text(left - 8, at(0, rate)[1] + 4, f"{rate:.0%}", "end"))
    for loss in (-0.01, 0, 0.01, 0.02, 0.03, 0.04):
        parts.append(text(at(loss, 0)[0], bottom + 18, f"{loss:g}", "middle"))
    parts.append(text((left + right) / 2, bottom + 38, "true loss of accuracy", "middle"))
    parts.append(line(at(margin, 0)[0], top, at(margin, 0)[0], bottom, BAD, 1.5, "5 4"))
    parts.append(text(at(margin, 0)[0] + 4, top - 6, "the margin", fill=BAD))
    for rates, colour, name, place, anchor in (
        (naive, OPEN, "“candidate &lt; champion” blocks", (right, top - 6), "end"),
        (fails, BAD, "mlops-ci blocks (worse)", (at(0.021, 0.6)[0], at(0, 0.6)[1]), "start"),
        (passes, GOOD, "proven no worse", (left + 8, top + 24), "start"),
    ):
        points = " ".join("{:.1f},{:.1f}".format(*at(*pair)) for pair in zip(losses, rates, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(text(*place, name, anchor, colour))
    return svg(640, 290, parts)


def sizes():
    """Rows that a margin needs, by the share of rows on which the models disagree."""
    margins = (0.005, 0.01, 0.02, 0.05)
    shares = (0.02, 0.06, 0.1, 0.2)
    parts = [text(16, 24, "margin")]
    parts += [text(150 + 110 * j, 24, f"{share:.0%} disagree", "middle") for j, share in enumerate(shares)]
    for i, margin in enumerate(margins):
        y = 72 + 34 * i
        parts.append(text(16, y, f"{margin:g}"))
        for j, share in enumerate(shares):
            rows = rows_for_disagreement(margin, share, 0.05)
            strength = min(1.0, np.log10(rows) / 5)
            parts.append(
                f'<rect x="{100 + 110 * j}" y="{y - 22}" width="100" height="30" rx="4" fill="{OPEN}" '
                f'fill-opacity="{strength**3 * 0.6:.2f}"/>'
            )
            parts.append(text(150 + 110 * j, y - 2, f"{rows:,}", "middle"))
    return svg(560, 190, parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/assets"))
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("outcomes", outcomes), ("blocking", curves), ("rows", sizes)):
        (folder / f"verdict-{name}.svg").write_text(draw(), encoding="utf-8")
        print(folder / f"verdict-{name}.svg")


if __name__ == "__main__":
    main()
