"""The baseline of monitoring: the champion's profile, its holdout evaluation, and its calibrated scores."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from mlops_ci.adapters.ports import Champion
from mlops_ci.commands.monitor_window import WindowJudge
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import Evaluation, canonical
from mlops_ci.core.monitor.estimate import Basis, basis_of
from mlops_ci.core.monitor.periods import LEAST_PERIODS, periods_of
from mlops_ci.core.monitor.windows import length_of
from mlops_ci.core.report import Notice
from mlops_ci.errors import EvidenceError
from mlops_ci.settings import Settings, policy_of


def window_judge(
    settings: Settings, tools: Tools, champion: Champion, holdout: Evaluation | None
) -> WindowJudge:
    """Return the judge of a champion's windows; missing parts of the baseline are noted and left out."""
    said: list[Notice] = []
    policy = policy_of(settings)
    profile = _profile(settings, tools, champion)
    if profile is None:
        text = (
            "Data drift is not looked at: the champion keeps no profile of its training data. Set"
            " `drift.reference`; the next candidate then keeps one."
        )
        said.append(Notice(text=text, level="warning"))
    if holdout is None:
        text = (
            "Predictions and performance are not looked at: the champion keeps no evaluation. Take one in"
            " with `mlops-ci adopt --predictions FILE`."
        )
        said.append(Notice(text=text, level="warning"))
    basis, positive, why = None, "", ""
    if settings.monitor.estimate and holdout is not None:
        basis, positive, why = _basis(settings, holdout)
        if why:
            said.append(Notice(text=f"Performance without labels is not estimated: {why}."))
        elif basis is not None and not basis.carried:
            said.append(Notice(text=_unlearnt(holdout)))
    own = {name: metric.metric for name, metric in policy.metrics.items() if ":" in metric.metric}
    functions = tools.functions(own.values()) if own else {}
    return WindowJudge(
        settings=settings,
        tools=tools,
        policy=policy,
        champion=champion.ref.version or "",
        profile=profile,
        holdout=holdout,
        basis=basis,
        positive=positive,
        functions={name: functions[reference] for name, reference in own.items()},
        notices=said,
    )


def _profile(settings: Settings, tools: Tools, champion: Champion) -> Path | None:
    """Return the champion's stored profile, else one of the present `drift.reference`."""
    if champion.ref.run_id is not None:
        try:
            folder = tools.scratch / "profile"
            return tools.registry().download(champion.ref.run_id, tags.PROFILE_ARTIFACT, folder)
        except EvidenceError:
            pass
    reference = settings.drift.reference
    if reference is None or not (tools.root / reference).is_file():
        return None
    made = tools.scratch / "reference.json"
    made.write_text(
        tools.profile(str(tools.root / reference), settings.privacy.min_count, {}), encoding="utf-8"
    )
    return made


def _unlearnt(holdout: Evaluation) -> str:
    """Say that intervals of estimates know nothing of how the world changes, and why."""
    why = (
        "its rows have no times (`evaluation.time`)"
        if holdout.time is None
        else f"it has fewer than {LEAST_PERIODS} periods that could tell"
    )
    return (
        "The champion's holdout does not show how much what a score means changes from one window to the"
        f" next: {why}. Until labels come, an estimate may be further off than its interval says."
    )


def _basis(settings: Settings, holdout: Evaluation) -> tuple[Basis | None, str, str]:
    """Calibrate the champion's scores; return the reason if that is impossible, else the positive label."""
    if holdout.score is None or holdout.score.ndim != 1 or holdout.target is None:
        return None, "", "it takes one score of the positive class (`evaluation.score`)"
    labels = canonical(holdout.target)
    names = np.unique(labels)
    if len(names) != 2:
        return None, "", f"it takes two classes, and the holdout has {len(names)}"
    stated = settings.evaluation.positive
    positive = str(canonical(np.asarray([stated]))[0]) if stated is not None else str(names[1])
    if positive not in names:
        return None, "", f"no row of the holdout has the positive label '{positive}'"
    truth, seed = labels == positive, settings.gate.seed
    if holdout.time is None:
        return basis_of(holdout.score, truth, seed=seed), positive, ""
    called = holdout.prediction
    alarm = holdout.score >= 0.5 if called is None else canonical(called) == positive
    length = length_of(settings.monitor.window) // timedelta(microseconds=1)
    period = periods_of(holdout.time, length, truth)
    return basis_of(holdout.score, truth, alarm, period, seed=seed), positive, ""
