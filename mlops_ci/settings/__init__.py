"""Settings: mlops-ci.yaml as typed values, checked whole, and merged along the trust boundary."""

from mlops_ci.settings.canary import CanarySettings, RateSettings, TracesSettings
from mlops_ci.settings.evaluation import EvaluationSettings, MetricSettings
from mlops_ci.settings.load import load, policy_from_mapping, read_settings
from mlops_ci.settings.model import (
    CandidateSettings,
    DriftSettings,
    GateSettings,
    PipelineSettings,
    PrivacySettings,
    RegistrySettings,
    ReportSettings,
    Settings,
    in_environment,
    json_schema,
)
from mlops_ci.settings.policy import policy_of
from mlops_ci.settings.promotion import EnvironmentSettings, PromotionSettings
from mlops_ci.settings.trust import own_keys, trusted

__all__ = [
    "CanarySettings",
    "CandidateSettings",
    "DriftSettings",
    "EnvironmentSettings",
    "EvaluationSettings",
    "GateSettings",
    "MetricSettings",
    "PipelineSettings",
    "PrivacySettings",
    "PromotionSettings",
    "RateSettings",
    "RegistrySettings",
    "ReportSettings",
    "Settings",
    "TracesSettings",
    "in_environment",
    "json_schema",
    "load",
    "own_keys",
    "policy_from_mapping",
    "policy_of",
    "read_settings",
    "trusted",
]
