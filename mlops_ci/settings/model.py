"""The keys of mlops-ci.yaml, with their types, defaults and descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, TypeAdapter, field_validator, model_validator

from mlops_ci.core.policy import OnDrift, OnInconclusive, OnNoChampion
from mlops_ci.settings.block import Alias, Block, RelativePath
from mlops_ci.settings.canary import CanarySettings
from mlops_ci.settings.evaluation import EvaluationSettings, MetricSettings
from mlops_ci.settings.examples import with_examples
from mlops_ci.settings.monitoring import MonitorSettings, RetrainSettings
from mlops_ci.settings.promotion import PromotionSettings


class RegistrySettings(Block):
    """Where the champion is registered."""

    model: str = Field(min_length=1)
    """Name of the registered model in MLflow."""
    champion: Alias = "champion"
    """Alias of the version in production."""
    challenger: Alias = "challenger"
    """Alias of the version that serves as a canary."""
    reference: Alias = "reference"
    """Alias of the fixed reference champion that `gate.max_total_loss` speaks of."""
    tracking_uri: str | None = None
    """MLflow tracking server; the flag, the action's input and MLFLOW_TRACKING_URI come first."""
    registry_uri: str | None = None
    """MLflow registry, where it is not the tracking server."""
    experiment: str | None = None
    """Experiment of the candidates' runs; by default `mlops-ci/<model>`."""

    @model_validator(mode="after")
    def _aliases_differ(self) -> RegistrySettings:
        """Refuse one alias in two roles: what moves one would move the other."""
        if len({self.champion, self.challenger, self.reference}) < 3:
            raise ValueError("`champion`, `challenger` and `reference` must be three different aliases")
        return self


class PipelineSettings(Block):
    """How the candidate is produced."""

    reproduce: Literal["run", "verify", "pull"] = "run"
    """`run` stale stages here; `verify` that dvc.lock is current and pushed (pipelines that train on a
    cluster); `pull` trusts dvc.lock as it stands."""
    directory: str = "."
    """Folder of the DVC project, relative to the repository."""
    targets: list[str] = []
    """Stages to bring up to date; none means the whole pipeline."""
    timeout: Annotated[float, Field(gt=0)] = 3600
    """Seconds that the stages may take together."""
    environment: list[str] = []
    """Names of environment variables that stages may see beyond the harmless ones; listed in the report."""


class CandidateSettings(Block):
    """What the pipeline produces."""

    model: RelativePath | None = None
    """The model: a folder in MLflow's format, or any file or folder."""
    run_id: str | None = None
    """The pipeline's own MLflow run, as `file.json:key`, to adopt instead of making one."""
    train: RelativePath | None = None
    """The training rows, to prove that none of them is in the holdout."""
    metrics: RelativePath | None = None
    """A JSON or YAML file of scalars to log with the candidate."""


class StrictSettings(Block):
    """How alpha is spent over the uses of one holdout."""

    uses: int = Field(ge=1)
    """Number of checks that this holdout shall serve."""
    adaptivity: Literal["none", "full"] = "none"
    """`none` spends alpha / uses, `full` alpha / 2^uses and shows pass or fail only."""


class GateSettings(Block):
    """What a verdict does."""

    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """How often each proof may be wrong (one-sided)."""
    on_inconclusive: OnInconclusive = "auto"
    """`auto` merges with a notice where every open estimate is inside its margin, else asks for approval."""
    on_drift: OnDrift = "warn"
    """What data drift does."""
    on_no_champion: OnNoChampion = "pass"
    """What happens while nothing is in production."""
    max_total_loss: float | dict[str, float] | None = None
    """Accepted loss since the fixed reference champion, for all gated metrics or by metric."""
    strict: StrictSettings | None = None
    """Spend alpha over a stated number of uses of one holdout."""
    min_slice: int = Field(default=30, ge=2)
    """Smallest slice that is compared, in rows."""
    seed: int = Field(default=0, ge=0)
    """Seed of resampling."""

    @field_validator("max_total_loss")
    @classmethod
    def _losses(cls, value: float | dict[str, float] | None) -> float | dict[str, float] | None:
        each = value.values() if isinstance(value, dict) else [] if value is None else [value]
        if not all(0 <= amount < float("inf") for amount in each):
            raise ValueError("must be a loss of 0 or more")
        return value


class DriftSettings(Block):
    """Which data are compared, and how sensitively."""

    reference: str | None = None
    """Data that the model was trained on."""
    current: str | None = None
    """Data that it meets now; a glob is allowed."""
    sensitivity: Literal["default", "high"] = "default"
    """`high` alarms at a distance of 0.04 instead of 0.1."""
    method: str | dict[str, str] | None = None
    """Effect size to judge by, for all columns or by kind (`number`, `category`, `time`, `text`)."""
    thresholds: dict[str, float] = {}
    """From where on an effect size or a side check counts as large."""
    columns: dict[str, Any] = {}
    """`method`, `threshold`, `sensitivity`, `kind`, `importance` or `ignore` of single columns."""
    max_share: float = Field(default=0.0, ge=0, lt=1)
    """The data drift when a larger share of the columns (by importance) does."""
    target: str | None = None
    """Column of labels: its drift is label drift."""
    prediction: str | None = None
    """Column of predictions: its drift is prediction drift."""
    multivariate: bool = False
    """Also train a classifier to tell the rows of the two sides apart."""


class PrivacySettings(Block):
    """What reports may show of the data."""

    min_count: int = Field(default=10, ge=1)
    """Values that occur less often are neither shown nor stored."""
    show: list[str] = []
    """Columns whose values may always be shown."""


class ReportSettings(Block):
    """How reports are delivered."""

    comment: Literal["separate", "together"] = "separate"
    """Of several models in one repository: `separate` gives each a comment of its own, `together` puts
    all that say so into one."""


class Settings(Block):
    """One model's settings."""

    registry: RegistrySettings
    pipeline: PipelineSettings = PipelineSettings()
    candidate: CandidateSettings = CandidateSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    metrics: dict[str, MetricSettings] = Field(min_length=1)
    gate: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    promotion: PromotionSettings = PromotionSettings()
    canary: CanarySettings | None = None
    privacy: PrivacySettings = PrivacySettings()
    monitor: MonitorSettings = MonitorSettings()
    retrain: RetrainSettings = RetrainSettings()
    report: ReportSettings = ReportSettings()
    _deprecated: tuple[str, ...] = PrivateAttr(default=())

    @property
    def deprecated(self) -> tuple[str, ...]:
        """Deprecation notices for renamed keys, a sentence each."""
        return self._deprecated

    def saying(self, deprecated: Sequence[str]) -> Settings:
        """Return the same settings with deprecation notices."""
        made = self.model_copy()
        made._deprecated = tuple(deprecated)
        return made

    @model_validator(mode="after")
    def _champions_differ(self) -> Settings:
        """Refuse environments that share an alias in one registry: each would undo the other's promotions."""
        seen: dict[tuple[str | None, ...], str] = {}
        for name in self.promotion.environments:
            there = in_environment(self, name).registry
            place = (there.tracking_uri, there.registry_uri, there.model, there.champion)
            if place in seen:
                raise ValueError(
                    f"promotion.environments: '{seen[place]}' and '{name}' have the same alias"
                    f" '{there.champion}' in the same registry"
                )
            seen[place] = name
        return self


def in_environment(settings: Settings, name: str) -> Settings:
    """Return the settings of one of their environments.

    Raises
    ------
    KeyError
        If they name none of this name.
    """
    there = settings.promotion.environments[name]
    registry: dict[str, Any] = {
        key: value
        for key in ("model", "champion", "challenger", "tracking_uri", "registry_uri")
        if (value := getattr(there, key)) is not None
    }
    if there.tracking_uri is not None:
        # Of another server, the registry is that server's own unless it says otherwise.
        registry["registry_uri"] = there.registry_uri
    promotion: dict[str, Any] = {
        key: value
        for key in ("deploy_command", "probe_command", "probe_timeout", "previous")
        # What is said to be null is none here, whatever it is elsewhere.
        if (value := getattr(there, key)) is not None or (key in there.model_fields_set and "command" in key)
    }
    if there.champion is not None and there.champion != settings.registry.champion:
        promotion = {"previous": f"{there.champion}-previous"} | promotion
    return settings.model_copy(
        update={
            "registry": settings.registry.model_copy(update=registry),
            "promotion": settings.promotion.model_copy(update=promotion | {"environment": name}),
        }
    )


class _Models(Block):
    """A file that holds several models."""

    models: list[Settings] = Field(min_length=1)
    """One block of settings a model."""
    report: ReportSettings = ReportSettings()
    """How reports are delivered, for all models that do not say it themselves."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of mlops-ci.yaml, for editors."""
    schema = with_examples(TypeAdapter(Settings | _Models).json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mlops-ci.yaml", **schema}
