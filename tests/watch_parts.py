"""A model in production: its champion in a real MLflow, its ledger in a real git, and rows it met over time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dvc_repo import Recorder
from ledger_parts import bare_remote, ledger

from mlops_ci.adapters.data.evaluations import EvaluationFiles
from mlops_ci.adapters.data.frames import TableReader
from mlops_ci.adapters.data.production import ProductionFiles
from mlops_ci.adapters.files import LocalFiles
from mlops_ci.adapters.mlflow.client import Connection
from mlops_ci.adapters.mlflow.registry import MlflowRegistry
from mlops_ci.adapters.mlflow.trends import MlflowTrends
from mlops_ci.adapters.ports import CandidateRecord
from mlops_ci.api_drift import drift, profile
from mlops_ci.commands.monitor import MonitorInputs, monitor
from mlops_ci.commands.retrain import retrain
from mlops_ci.commands.tools import Tools
from mlops_ci.core import tags
from mlops_ci.core.evidence import evaluation, evaluation_digest, holdout_digest
from mlops_ci.core.ledger import History
from mlops_ci.core.lineage import DataFile, Stage
from mlops_ci.core.monitor.record import Watched, watched
from mlops_ci.core.report import Report, Source
from mlops_ci.settings import Settings, read_settings

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
MODEL = "moons"
SETTINGS = """\
registry: {model: moons}
candidate: {model: models}
evaluation: {predictions: reports/predictions.csv, id: id, target: y, prediction: pred, score: score}
metrics:
  accuracy: {margin: 0.03}
  roc_auc: {margin: 0.03, gate: false}
monitor: {data: 'production/*.csv', labels: 'labels/*.csv', window: 1d, delay: 1h, min_rows: 50, min_labels: 50}
"""


def rows(seed: int, n: int, *, shift: float = 0.0, flip: float = 0.0) -> dict[str, Any]:
    """Draw inputs, the model's answers and labels; `flip` turns that share of the labels."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(shift, 1, n), rng.normal(0, 1, n)
    score = 1 / (1 + np.exp(-(2.0 * x - z)))
    y = (rng.random(n) < score).astype(int)
    return {
        "id": [f"{seed}-{place}" for place in range(n)],
        "x": x,
        "z": z,
        "score": score,
        "pred": (score >= 0.5).astype(int),
        "y": np.where(rng.random(n) < flip, 1 - y, y),
    }


class Events:
    """A forge that hears what is started."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Mapping[str, str]]] = []
        self.refuses: Exception | None = None

    def dispatch(self, event: str, values: Mapping[str, str]) -> str:
        if self.refuses is not None:
            raise self.refuses
        self.heard.append((event, values))
        return f"repository_dispatch '{event}'"


class Inputs:
    """A pipeline that reads one data file of a known checksum."""

    def __init__(self, checksum: str) -> None:
        self.checksum = checksum

    def describe(self, targets: Any) -> Any:
        dep = DataFile(path="data/train.csv", checksum=self.checksum)
        return type("Run", (), {"stages": [Stage(name="train", command="train", deps=[dep])]})()


@dataclass
class Shop:
    """One model's production; `watch` and `retrain` run the verbs."""

    folder: Path
    registry: MlflowRegistry
    remote: Path
    settings: Settings
    now: datetime = START
    forge: Events = field(default_factory=Events)
    checksum: str = "1" * 32
    console: Recorder = field(default_factory=Recorder)
    _calls: int = 0

    def put(
        self,
        day: int,
        seed: int | None = None,
        n: int = 300,
        *,
        labels: bool = True,
        name: str = "",
        **how: Any,
    ) -> None:
        """Write a day's rows, spread over its hours, and their labels to a file of their own."""
        made = rows(100 + day if seed is None else seed, n, **how)
        times = [START + timedelta(days=day, seconds=86_400 * place / n) for place in range(n)]
        self.write(
            day,
            pd.DataFrame({"time": [t.strftime("%Y-%m-%dT%H:%M:%S") for t in times], **made}),
            name=name,
            labels=labels,
        )

    def write(self, day: int, frame: pd.DataFrame, *, name: str = "", labels: bool = True) -> None:
        for kind, part in (("production", frame.drop(columns="y")), ("labels", frame[["id", "y"]])):
            if kind == "production" or labels:
                (self.folder / kind).mkdir(exist_ok=True)
                part.to_csv(self.folder / kind / f"{day:03}{name}.csv", index=False)
        (self.folder / "labels").mkdir(exist_ok=True)
        if not any((self.folder / "labels").iterdir()):
            (self.folder / "labels" / "none.csv").write_text("id,y\nnobody,1\n")

    def at(self, day: float) -> Shop:
        self.now = START + timedelta(days=day)
        return self

    def tools(self, **changes: Any) -> Tools:
        self._calls += 1
        scratch = self.folder / f"scratch-{self._calls}"
        scratch.mkdir()
        made = Tools(
            root=self.folder,
            scratch=scratch,
            repository=None,  # type: ignore[arg-type]
            forge=self.forge,  # type: ignore[arg-type]
            console=self.console,  # type: ignore[arg-type]
            frames=TableReader(),
            files=LocalFiles(),
            evaluations=EvaluationFiles(TableReader()),
            registry=lambda: self.registry,
            pipeline=lambda: Inputs(self.checksum),  # type: ignore[arg-type,return-value]
            profile=lambda data, count, kinds: profile(data, kinds=kinds).stored(count).to_json(count),
            drift=drift,
            ledger=lambda: ledger(self.remote),
            actor="ada",
            now=lambda: self.now,
        )
        return replace(made, **changes)

    def watch(self, *, trends: bool = False, dry_run: bool = False) -> Report:
        connection = Connection("sqlite:///mlflow.db", None, self.folder)
        log = MlflowTrends(connection) if trends else None
        watch = MonitorInputs(production=ProductionFiles(self.folder), trends=log)
        return monitor(self.settings, self.tools(), watch, Source(time="t"), dry_run=dry_run)

    def retrain(self, **options: Any) -> Report:
        return retrain(self.settings, self.tools(), Source(time="t"), **options)

    def history(self) -> History:
        return ledger(self.remote).read(MODEL)

    def records(self) -> list[Watched]:
        return watched(self.history())

    def configure(self, **blocks: str) -> None:
        text = SETTINGS
        for key, block in blocks.items():
            text = (
                "\n".join(line for line in text.splitlines() if not line.startswith(f"{key}:"))
                + f"\n{key}: {block}\n"
            )
        self.settings = read_settings(text.encode(), "test")[0]

    def champion(self, seed: int = 1, n: int = 4000, *, days: int = 0, restless: float = 0.0) -> str:
        """Register a version with its evaluation and profile, and make it the champion.

        With `days` the holdout's rows have times; in every other one the share `restless` of labels is turned.
        """
        folder = self.folder / f"version-{seed}"
        (folder / "model").mkdir(parents=True)
        (folder / "model" / "weights.json").write_text(f'{{"seed": {seed}}}')
        held = rows(seed, n)
        day = np.arange(n) * max(days, 1) // n
        turned = (np.random.default_rng(seed).random(n) < restless) & (day % 2 == 1)
        held["y"] = np.where(turned, 1 - held["y"], held["y"])
        one = evaluation(
            id=held["id"],
            target=held["y"],
            prediction=held["pred"],
            score=held["score"],
            time=day * 86_400_000_000 if days else None,
        )
        EvaluationFiles(TableReader()).save(one, folder / "predictions.parquet")
        train = rows(seed + 50, n)
        inputs = {name: train[name] for name in ("id", "x", "z", "y")}
        (folder / "profile.json").write_text(profile(inputs).stored(10).to_json(10))
        record = CandidateRecord(
            model=MODEL,
            name=f"{MODEL} {seed}",
            tags={
                tags.MODEL_DIGEST: f"{seed:064}",
                tags.EVALUATION_DIGEST: evaluation_digest(one),
                tags.HOLDOUT_DIGEST: holdout_digest(one),
                tags.PIPELINE_VERSION: f"{seed:064}",
            },
            artifacts={
                tags.MODEL_ARTIFACT: folder / "model",
                tags.EVALUATION_ARTIFACT: folder / "predictions.parquet",
                tags.PROFILE_ARTIFACT: folder / "profile.json",
            },
        )
        ref = self.registry.create_version(MODEL, self.registry.record(record), {})
        self.registry.set_alias(MODEL, "champion", ref.version or "")
        return ref.version or ""


def make_shop(folder: Path, database: Path) -> Shop:
    """Make a shop with a champion, and nothing met in production yet."""
    folder.mkdir(parents=True)
    shutil.copy(database, folder / "mlflow.db")
    shop = Shop(
        folder=folder,
        registry=MlflowRegistry("sqlite:///mlflow.db", root=folder),
        remote=bare_remote(folder),
        settings=read_settings(SETTINGS.encode(), "test")[0],
    )
    shop.champion()
    return shop
