"""Reports of every state that a check can end in, made by the code that makes real ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mlops_ci.core.curves import curves
from mlops_ci.core.drift.result import DriftColumn, DriftReport, Histogram
from mlops_ci.core.evidence import evaluation
from mlops_ci.core.gate.decision import decide
from mlops_ci.core.gate.messages import sentence
from mlops_ci.core.lineage import DataFile, Lineage, Stage
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.report import Approval, ModelRef, Notice, Report, Source
from mlops_ci.core.verdict import Finding, Outcome, Result, Verdict
from mlops_ci.core.wording import headline, next_step, summary

HEAD, BASE = "3f9c1a2b7d5e4f60718293a4b5c6d7e8f9012345", "77ab01e0c0ffee00112233445566778899aabbcc"
MODEL = "malware-detector"
ROWS = 4812
SOURCE = Source(
    head=HEAD,
    base=BASE,
    target="main",
    pull_request=431,
    run_id=9_000_001,
    run_attempt=1,
    run_url="https://github.com/acme/shop/actions/runs/9000001",
    time="2026-11-23T04:30:50Z",
)
STAGES = (
    Stage(
        name="prepare",
        command="python prepare.py",
        inputs=(),
        outs={"data/train.parquet": "a1", "data/holdout.parquet": "a2"},
        deps=(DataFile(path="data/raw.parquet", checksum="9e107d9d372bb6826bd81d3542a419d6"),),
        state="restored",
        seconds=1.2,
    ),
    Stage(
        name="features",
        command="python features.py",
        inputs=("data/train.parquet",),
        outs={"data/features.parquet": "a3"},
        state="skipped",
        seconds=0.0,
    ),
    Stage(
        name="train",
        command="python train.py",
        inputs=("data/features.parquet",),
        outs={"models/model.onnx": "a4"},
        state="ran",
        seconds=81.4,
    ),
    Stage(
        name="evaluate",
        command="python evaluate.py",
        inputs=("models/model.onnx", "data/holdout.parquet"),
        outs={"reports/predictions.parquet": "a5"},
        state="ran",
        seconds=14.6,
    ),
)
LINEAGE = Lineage(
    git_commit=HEAD,
    pipeline_version="5d41402abc4b2a76b9719d911017c592" * 2,
    dvc_lock_digest="0cc175b9c0f1b6a831c399e269772661" * 2,
    environment={"uv.lock": "900150983cd24fb0d6963f7d28e17f72"},
    data=STAGES[0].deps,
)
METRICS = {
    "recall": (True, 0.005),
    "accuracy": (True, 0.01),
    "false_positive_rate": (False, 0.002),
}


def finding(
    metric: str,
    champion: float,
    candidate: float,
    interval: tuple[float, float] | None,
    outcome: str,
    **more: Any,
) -> Finding:
    upwards, margin = METRICS[metric]
    difference = (candidate - champion) * (1 if upwards else -1)
    made = Finding(
        metric=metric, outcome=Outcome(outcome), greater_is_better=upwards, champion=champion, candidate=candidate,
        difference=difference, interval=interval, margin=margin, method="Tango score interval (paired)" if interval else "point only",
        n=ROWS, pvalue=0.00001 if outcome == "worse" else 0.31, adjusted_pvalue=0.00002 if outcome == "worse" else 0.62,
        minimum_detectable_loss=0.0042 if interval else None,
        rows_needed=5900 if outcome == "inconclusive" and interval else None,
    )  # fmt: skip
    made = replace(made, **more)
    return replace(made, message=sentence(made))


WORSE = finding("recall", 0.912, 0.897, (-0.021, -0.009), "worse")
OPEN = finding("recall", 0.912, 0.904, (-0.019, 0.003), "inconclusive")
OPEN_INSIDE = finding("recall", 0.912, 0.9095, (-0.0085, 0.0035), "inconclusive")
GOOD = (
    finding("recall", 0.912, 0.9131, (-0.003, 0.0052), "non_inferior"),
    finding("accuracy", 0.9605, 0.9611, (-0.002, 0.003), "non_inferior"),
    finding("false_positive_rate", 0.0121, 0.0118, (-0.0009, 0.0014), "non_inferior"),
)
BETTER = finding("recall", 0.912, 0.934, (0.014, 0.03), "better")
SLICES = (
    finding("recall", 0.911, 0.842, (-0.09, -0.047), "worse", slice="platform=android", n=612),
    finding("recall", 0.909, 0.908, (-0.021, 0.019), "inconclusive", slice="platform=ios", n=540),
    finding("recall", 0.914, 0.913, (-0.004, 0.002), "non_inferior", slice="platform=windows", n=3660),
)
POLICY = Policy(
    metrics={name: MetricPolicy(metric=name, margin=margin) for name, (_, margin) in METRICS.items()}
)


def drift() -> dict[str, Any]:
    def column(name: str, effect: float, reference: list[float], current: list[float]) -> DriftColumn:
        moved = effect >= 0.1
        return DriftColumn(
            name=name,
            drifted=moved,
            effect="ks",
            effect_size=effect,
            threshold=0.1,
            pvalue=0.0001 if moved else 0.4,
            adjusted_pvalue=0.0003 if moved else 0.7,
            histogram=Histogram(edges=list(range(11)), reference=reference, current=current),
            message=f"KS {effect} is beyond 0.1." if moved else "stable.",
        )

    columns = [
        column("file_size", 0.31, [0.03, 0.08, 0.15, 0.22, 0.2, 0.14, 0.09, 0.05, 0.03, 0.01], [0.01, 0.02, 0.04, 0.09, 0.15, 0.19, 0.2, 0.15, 0.1, 0.05]),
        column("entropy", 0.04, [0.05, 0.14, 0.24, 0.22, 0.15, 0.1, 0.05, 0.03, 0.01, 0.01], [0.05, 0.13, 0.24, 0.23, 0.15, 0.1, 0.05, 0.03, 0.01, 0.01]),
        column("sections", 0.02, [0.3, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01, 0], [0.29, 0.31, 0.2, 0.1, 0.05, 0.02, 0.01, 0.01, 0.01, 0]),
    ]  # fmt: skip
    return DriftReport(drifted=True, columns=columns, share=1 / 3, message="1 of 3 columns moved.").to_dict()


def details(*, regression: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    n = 2000
    if regression:
        target = rng.gamma(4, 30, n)
        sides = [
            evaluation(id=np.arange(n), target=target, prediction=target + rng.normal(0, spread, n))
            for spread in (12, 15)
        ]
    else:
        target = (rng.random(n) < 0.3).astype(int)
        sides = []
        for strength in (2.6, 2.2):
            score = 1 / (1 + np.exp(-(strength * (target - 0.5) + rng.normal(0, 1, n))))
            sides.append(
                evaluation(id=np.arange(n), target=target, prediction=(score > 0.5).astype(int), score=score)
            )
    history = [
        {
            "version": str(version),
            "created": "2026-10-01",
            "metrics": {"recall": value, "accuracy": value + 0.05},
        }
        for version, value in zip(range(7, 13), (0.889, 0.893, 0.901, 0.905, 0.909, 0.912), strict=True)
    ]
    return {
        "params": {"params.yaml:train": {"depth": 6, "eta": 0.1, "rounds": 200}},
        "champion_params": {"params.yaml:train": {"depth": 8, "eta": 0.1, "rounds": 400}},
        "history": history,
        "policy": {"gate": {"alpha": 0.05, "on_inconclusive": "auto", "on_drift": "warn", "on_no_champion": "pass"},
                   "metrics": {name: {"margin": margin} for name, (_, margin) in METRICS.items()}},
        "curves": curves(sides[0], sides[1]),
    }  # fmt: skip


def report(
    verdict: Verdict,
    *,
    champion: bool = True,
    approval: Approval | None = None,
    reasons: tuple[str, ...] = (),
    **more: Any,
) -> Report:
    versus = "champion v12" if champion else None
    said = [Notice(text=text, level="warning") for text in verdict.notices]
    said += [
        Notice(text="dvc.lock was not current: 'train' ran; commit the dvc.lock that `dvc repro` writes")
    ]
    made = Report(
        command="check",
        model=MODEL,
        verdict=verdict.verdict,
        exit_code=0 if approval else verdict.exit_code,
        headline=headline(MODEL, verdict, champion=versus, approval=approval, reasons=reasons),
        summary=summary(verdict, versus, ROWS) if versus else "",
        next_step=next_step(verdict, HEAD, approval, approvable=True),
        champion=ModelRef(version="12", run_id="run12", commit=BASE, url="https://mlflow.example.com/#/models/malware-detector/versions/12") if champion else None,
        candidate=ModelRef(run_id="8a87656cc7324033932f6550c0c4dbdf", digest="e605b95531240f6a" * 4, url="https://mlflow.example.com/#/experiments/1/runs/8a87656cc7324033932f6550c0c4dbdf"),
        findings=verdict.findings,
        alpha=0.05,
        holdout={"digest": "869e34ca221fc671" * 4, "n": ROWS, "uses": 6, "matched": "all rows"},
        lineage=LINEAGE,
        stages=STAGES,
        notices=tuple(said),
        approval=approval,
        source=SOURCE,
        details=details(),
    )  # fmt: skip
    return replace(made, **more)


def _unchanged() -> Verdict:
    why = "Both models give the same prediction on all 4,812 rows."
    same = [
        replace(
            one,
            outcome=Outcome.UNCHANGED,
            candidate=one.champion,
            difference=0.0,
            interval=None,
            message=f"{one.metric} is unchanged. {why}",
        )
        for one in GOOD
    ]
    return decide(same, POLICY, notices=[why])


def _error() -> Report:
    problem = "the holdout changed: 120 rows are new, 4,700 are gone, 0 have another label; 112 rows in common are too few to compare on"
    verdict = Verdict(verdict=Result.ERROR)
    return Report(
        command="check", model=MODEL, verdict=Result.ERROR, exit_code=5,
        headline=headline(MODEL, verdict, champion=None, problem=problem), summary=problem,
        next_step="Set `evaluation.score_command`, or bring the holdout back.", source=SOURCE,
    )  # fmt: skip


def _needs_approval() -> Verdict:
    return replace(decide(GOOD, POLICY), held=True)


ALICE = Approval(actor="alice", commit=HEAD, reason="the loss is bought with half the latency")
HELD = decide((OPEN, *GOOD[1:]), POLICY)
POINT = finding("recall", 0.912, 0.905, None, "inconclusive")

STATES: dict[str, Report] = {
    "pass": report(decide(GOOD, POLICY)),
    "better": report(decide((BETTER, *GOOD[1:]), POLICY)),
    "fail": report(decide((WORSE, *GOOD[1:], *SLICES), POLICY), drift=drift()),
    "held": report(HELD),
    "approved": report(HELD, approval=ALICE),
    "needs-approval": report(_needs_approval(), reasons=("this change edits `mlops-ci.yaml`",)),
    "notice": report(decide((OPEN_INSIDE, *GOOD[1:]), POLICY)),
    "blocked": report(decide((OPEN, *GOOD[1:]), replace(POLICY, on_inconclusive="block"))),
    "error": _error(),
    "unchanged": report(_unchanged()),
    "no-champion": report(
        Verdict(verdict=Result.PASS, notices=("No version of 'malware-detector' has the alias 'champion'.",)),
        champion=False,
    ),
    "point-only": report(decide((POINT,), POLICY), holdout=None),
}


def named(state: str, model: str) -> Report:
    """Return the report of a state about another model."""
    made = STATES[state]
    return replace(made, model=model, headline=made.headline.replace(MODEL, model))
