"""The data of the short demonstration: handwritten digits."""

from __future__ import annotations

import csv
from pathlib import Path


def write_digits(path: Path) -> None:
    """Write scikit-learn's digits as CSV: 1,797 real 8 x 8 pictures (UCI, Alpaydin and Kaynak, CC BY 4.0)."""
    from sklearn.datasets import load_digits  # noqa: PLC0415

    digits = load_digits()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "digit", *(f"pixel_{index}" for index in range(64))])
        rows = zip(digits.data.astype(int), digits.target, strict=True)
        writer.writerows([index, label, *pixels] for index, (pixels, label) in enumerate(rows))
