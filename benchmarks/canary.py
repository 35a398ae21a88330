"""The canary, measured: does it raise false alarms, find harm, and let no worse version through?.

    python -m benchmarks.canary [--runs 10000] [--output FILE]

Forty looks of 500 requests each. Every run of a setting is one canary; the arrays hold all of them, and go
through the very functions that `mlops-ci canary look` uses (`mlops_ci.core.canary`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from mlops_ci.core.canary.evidence import Evidence, advanced

SEED = 20_261_123
LOOKS, REQUESTS = 40, 500
ALPHA = 0.05
BASE, HARM, MARGIN = 0.05, 0.03, 0.02
PER_USER = 10
Array = NDArray[np.float64]

CONSTANT = {f"{share:.0%}": np.full(LOOKS, share) for share in (0.01, 0.05, 0.1, 0.25, 0.5)}
RAMP = np.linspace(0.01, 0.5, LOOKS)
RISING = np.linspace(0.03, 0.12, LOOKS)
DAILY = np.tile([0.005, 0.45], LOOKS // 2)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A world: shares and base rates over the looks, and how requests hang together."""

    name: str
    shares: Array
    base: Array
    icc: float = 0.0
    aggregate: bool = True

    @property
    def users(self) -> bool:
        """Whether requests come from users with habits."""
        return self.icc > 0


def settings() -> list[Setting]:
    """Return the settings of the A/A comparison."""
    flat = np.full(LOOKS, BASE)
    steps = np.repeat([0.05, 0.25], LOOKS // 2)
    return [
        *(Setting(name=f"constant {name}", shares=shares, base=flat) for name, shares in CONSTANT.items()),
        Setting(name="steps 5% -> 25%", shares=steps, base=flat),
        Setting(name="ramp 1% -> 50%", shares=RAMP, base=flat),
        Setting(name="ramp, base rising 3% -> 12%", shares=RAMP, base=RISING),
        Setting(name="ramp, base falling 12% -> 3%", shares=RAMP, base=RISING[::-1]),
        Setting(name="10%, base 0.5% by night, 45% by day", shares=CONSTANT["10%"], base=DAILY),
        Setting(name="50%, base 0.5% by night, 45% by day", shares=CONSTANT["50%"], base=DAILY),
        Setting(name="10%, users, ICC 0.1", shares=CONSTANT["10%"], base=flat, icc=0.1),
        Setting(name="10%, users, ICC 0.3", shares=CONSTANT["10%"], base=flat, icc=0.3),
        Setting(name="50%, users, ICC 0.3", shares=CONSTANT["50%"], base=flat, icc=0.3),
        Setting(
            name="10%, users, ICC 0.3, not aggregated",
            shares=CONSTANT["10%"],
            base=flat,
            icc=0.3,
            aggregate=False,
        ),
    ]


@dataclass(frozen=True, kw_only=True)
class Window:
    """One look of all runs: requests and bad ones an arm, the same in units, and the dealt differences."""

    requests: tuple[int, Array, int, Array]
    units: tuple[int, Array, int, Array]
    blocks: Array


def worlds(one: Setting, runs: int, harm: float, rng: np.random.Generator) -> Iterator[Window]:
    """Yield the looks of all runs of a setting; the challenger's rate is higher by `harm`, at least 0."""
    for share, base in zip(one.shares, one.base, strict=True):
        size = REQUESTS // PER_USER if one.users else REQUESTS
        n1 = max(round(size * share), 1)
        n0 = size - n1
        blocks = min(n0, n1)
        arms = [_arm(n, max(base + d, 0.0), blocks, one, runs, rng) for n, d in ((n0, 0.0), (n1, harm))]
        (bad0, mean0), (bad1, mean1) = arms
        each = PER_USER if one.users else 1
        requests = (n0 * each, bad0, n1 * each, bad1)
        units = (n0, bad0 / each, n1, bad1 / each)
        yield Window(requests=requests, units=units, blocks=mean1 - mean0)


def _arm(
    n: int, rate: float, blocks: int, one: Setting, runs: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return the bad requests of one arm, shape (runs,), and its mean in each block, (runs, blocks)."""
    sizes = np.full(blocks, n // blocks)
    sizes[: n % blocks] += 1
    if not one.users:
        bad = rng.binomial(sizes, rate, size=(runs, blocks))
        return bad.sum(axis=1).astype(float), bad / sizes
    strength = 1 / one.icc - 1
    habit = rng.beta(rate * strength, (1 - rate) * strength, size=(runs, n))
    users = rng.binomial(PER_USER, habit)
    edges = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    means = np.add.reduceat(users, edges, axis=1) / (sizes * PER_USER)
    return users.sum(axis=1).astype(float), means


@dataclass(kw_only=True)
class First:
    """At which look (1 is the first) each run was first alarmed; 0 where never."""

    look: Array

    def see(self, number: int, alarm: NDArray[np.bool_]) -> None:
        """Take in one look."""
        self.look = np.where((self.look == 0) & alarm, number, self.look)

    @property
    def share(self) -> float:
        """Share of the runs that were alarmed at any look."""
        return float((self.look > 0).mean())

    @property
    def median(self) -> float | None:
        """Median look of all runs; None where fewer than half were alarmed."""
        filled = np.where(self.look > 0, self.look, np.inf)
        found = float(np.median(filled))
        return found if np.isfinite(found) else None


METHODS = ("repeated z", "pooled z", "Bonferroni z", "fixed margin", "Mann-Whitney")


def simulate(one: Setting, runs: int, harm: float = 0.0, seed: int = SEED) -> dict[str, First]:
    """Run all canaries of a setting; return when each method first alarmed, and ours first promoted.

    ``harm`` is our proof of harm alone, ``rollback`` the whole rule, which also wants an estimate beyond
    the margin; ``promotion`` is the proof of safety with an estimate inside it.
    """
    rng = np.random.default_rng([seed, *one.name.encode(), round(1e6 * (harm + 1))])
    found = {name: First(look=np.zeros(runs)) for name in ("harm", "rollback", "promotion", *METHODS)}
    zeros = np.zeros(runs)
    evidence = Evidence(**dict.fromkeys(vars(Evidence()), zeros))
    peers = Peers(runs)
    for number, window in enumerate(worlds(one, runs, harm, rng), start=1):
        counts = window.units if one.aggregate else window.requests
        blocks = window.blocks if one.aggregate else _dealt(window.requests, rng)
        evidence = advanced(evidence, counts, blocks, MARGIN)
        beyond = evidence.difference > MARGIN
        harmed = evidence.harm_peak >= np.log(1 / ALPHA)
        found["harm"].see(number, harmed)
        found["rollback"].see(number, harmed & beyond)
        found["promotion"].see(number, (evidence.safe_peak >= np.log(1 / ALPHA)) & ~beyond)
        for name, alarm in peers.see(number, window.requests).items():
            found[name].see(number, alarm)
    return found


class Peers:
    """What else is done: tests of a fixed sample that are looked at again and again.

    Repeated z: differences within looks, added up, one-sided at 5% at every look. Pooled z: all requests so
    far as one table. Bonferroni z: the same at 5% / 40. Fixed margin: the difference so far exceeds the
    margin (from 100 requests of the challenger on). Mann-Whitney: the looks' rates of one version against the
    other's, as canary judges compare two time series, at 5% at every look from the fifth on.
    """

    def __init__(self, runs: int) -> None:
        zeros = np.zeros(runs)
        self.total = [0.0, zeros, 0.0, zeros]
        self.sum, self.variance, self.u = zeros, zeros, zeros
        self.rates: list[tuple[Array, Array]] = []

    def see(self, number: int, now: tuple[int, Array, int, Array]) -> dict[str, NDArray[np.bool_]]:
        """Take in one look; return who alarms."""
        n0, k0, n1, k1 = now
        self.total = [before + new for before, new in zip(self.total, now, strict=True)]
        pooled = (k0 + k1) / (n0 + n1)
        weight = n0 * n1 / (n0 + n1)
        self.sum = self.sum + weight * (k1 / n1 - k0 / n0)
        self.variance = self.variance + weight * pooled * (1 - pooled)
        z = _z(*self.total)
        n0, k0, n1, k1 = self.total
        return {
            "repeated z": self.sum > norm.isf(ALPHA) * np.sqrt(self.variance),
            "pooled z": z > norm.isf(ALPHA),
            "Bonferroni z": z > norm.isf(ALPHA / LOOKS),
            "fixed margin": (k1 / n1 - k0 / n0 > MARGIN) & (n1 >= 100),
            "Mann-Whitney": self._mann_whitney(now) & (number >= 5),
        }

    def _mann_whitney(self, now: tuple[int, Array, int, Array]) -> NDArray[np.bool_]:
        n0, k0, n1, k1 = now
        champion, challenger = k0 / n0, k1 / n1
        for other_champion, other_challenger in self.rates:
            self.u = self.u + _above(challenger, other_champion) + _above(other_challenger, champion)
        self.u = self.u + _above(challenger, champion)
        self.rates.append((champion, challenger))
        n = len(self.rates)
        return np.asarray((self.u - n * n / 2) / np.sqrt(n * n * (2 * n + 1) / 12) > norm.isf(ALPHA))


def _above(x: Array, y: Array) -> Array:
    return np.asarray((x > y) + 0.5 * (x == y))


def _z(n0: float, k0: Array, n1: float, k1: Array) -> Array:
    pooled = (k0 + k1) / (n0 + n1)
    spread = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12) * (1 / n0 + 1 / n1))
    return np.asarray((k1 / n1 - k0 / n0) / spread)


def _dealt(requests: tuple[int, Array, int, Array], rng: np.random.Generator) -> Array:
    """Deal single requests into blocks, as is done where users are not said."""
    n0, k0, n1, k1 = requests
    blocks = min(n0, n1)
    means = []
    for n, k in ((n0, k0), (n1, k1)):
        bad = rng.random((len(k), n)).argsort(axis=1) < k[:, None]
        edges = np.concatenate([[0], np.cumsum(np.full(blocks, n // blocks))[:-1]])
        sizes = np.diff([*edges, n])
        means.append(np.add.reduceat(bad.astype(float), edges, axis=1) / sizes)
    return np.asarray(means[1] - means[0])


def bound(share: float, runs: int) -> float:
    """Return the one-sided 95% Clopper-Pearson upper bound of a share."""
    hits = round(share * runs)
    return 1.0 if hits == runs else float(beta.ppf(0.95, hits + 1, runs - hits))


def false_alarms(runs: int) -> list[dict[str, Any]]:
    """Return how often each method alarms where both versions are equal."""
    rows = []
    for one in settings():
        found = simulate(one, runs)
        names = ("harm", "rollback", *METHODS)
        rows.append({"setting": one.name, **{name: found[name].share for name in names}})
        rows[-1]["harm_bound"] = bound(found["harm"].share, runs)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def power(runs: int) -> list[dict[str, Any]]:
    """Return how often and how soon 5% -> 8% errors are found, by us and by Bonferroni's z."""
    rows = []
    for one in settings():
        if one.users or one.name not in POWER:
            continue
        found = simulate(one, runs, HARM)
        names = {"ours": "rollback", "Bonferroni z": "Bonferroni z"}
        row = {f"{name} found": found[key].share for name, key in names.items()}
        row |= {f"{name} median look": found[key].median for name, key in names.items()}
        rows.append({"setting": one.name, **row})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def promotions(runs: int) -> list[dict[str, Any]]:
    """Return how often a version is promoted: worse by exactly the margin, by half of it, equal, better."""
    rows = []
    for one in settings():
        if not one.aggregate:
            continue
        row: dict[str, Any] = {"setting": one.name}
        for name, harm in (("margin", MARGIN), ("half", MARGIN / 2), ("equal", 0.0), ("better", -MARGIN / 2)):
            found = simulate(one, runs, harm, SEED + 1)["promotion"]
            row |= {name: found.share, f"{name} median look": found.median}
        row["margin_bound"] = bound(row["margin"], runs)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


POWER = {
    *("constant 1%", "constant 5%", "constant 10%", "constant 25%", "constant 50%", "steps 5% -> 25%"),
    *("10%, base 0.5% by night, 45% by day", "50%, base 0.5% by night, 45% by day"),
}


PARTS = {"false_alarms": false_alarms, "power": power, "promotions": promotions}


def main() -> None:
    """Run all of it, or one part, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--part", choices=PARTS, help="Only this; the other parts' results are kept.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "canary.json")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    if options.part and options.output.exists():
        found = json.loads(options.output.read_text(encoding="utf-8"))
    found |= {"looks": LOOKS, "requests": REQUESTS}
    for name in [options.part] if options.part else PARTS:
        began = time.process_time()
        rows = PARTS[name](options.runs)
        cost = round(time.process_time() - began, 1)
        found[name] = {"runs": options.runs, "cpu_seconds": cost, "rows": rows}
    options.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
