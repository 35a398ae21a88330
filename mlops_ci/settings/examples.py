"""Examples of keys whose default does not show what to write: for editors, in the JSON Schema."""

from __future__ import annotations

from typing import Any

# block -> key -> examples; the keys of a choice, a number or a truth value speak for themselves
EXAMPLES: dict[str, dict[str, list[Any]]] = {
    "RegistrySettings": {
        "model": ["malware-detector", "prod.security.malware-detector"],
        "tracking_uri": ["https://mlflow.example.com", "sqlite:///mlflow.db", "databricks"],
        "registry_uri": ["databricks-uc"],
        "experiment": ["/Shared/mlops-ci/malware-detector"],
    },
    "PipelineSettings": {
        "directory": ["models/malware"],
        "targets": [["evaluate"]],
        "environment": [["HF_TOKEN"]],
    },
    "CandidateSettings": {
        "model": ["models/", "models/model.onnx"],
        "run_id": ["metrics.json:run_id"],
        "train": ["data/train.parquet"],
        "metrics": ["metrics.json"],
    },
    "EvaluationSettings": {
        "predictions": ["reports/predictions.csv"],
        "holdout": ["data/holdout.parquet"],
        "score": ["y_score", ["score_cat", "score_dog", "score_owl"]],
        "group": ["user_id"],
        "weight": ["weight"],
        "time": ["time"],
        "slices": [["platform"], ["country", {"column": "file_size", "bins": 4}]],
        "positive": ["malware"],
        "score_command": ["python score.py"],
    },
    "SliceSettings": {"column": ["file_size"], "bins": [4, [10.0, 100.0]]},
    "MetricSettings": {
        "metric": ["roc_auc", "our_metrics.cost:expected_cost"],
        "greater_is_better": [True],
        "margin": [0.01, "2%"],
        "minimum": [0.9],
        "maximum": [0.02],
        "slices": [True, ["platform"]],
        "positive": ["malware"],
        "column": ["ndcg"],
        "aggregate": ["mean", "quantile:0.95"],
        "from": ["metrics.json:latency.p95"],
        "clip": [10.0],
        "fpr": [0.001],
    },
    "StrictSettings": {"uses": [20]},
    "GateSettings": {
        "max_total_loss": [0.02, {"recall": 0.01}],
        "strict": [{"uses": 20, "adaptivity": "none"}],
    },
    "DriftSettings": {
        "reference": ["data/train.parquet", "profile.json"],
        "current": ["s3://bucket/production/2026-11-*.parquet"],
        "method": ["psi", {"number": "wasserstein", "category": "jensen_shannon"}],
        "thresholds": [{"psi": 0.2}],
        "columns": [{"file_size": {"importance": 3}, "session_id": {"ignore": True}}],
        "target": ["label"],
        "prediction": ["y_pred"],
    },
    "CanarySettings": {"id": ["request_id"], "unit": ["user_id"]},
    "RateSettings": {"column": ["error"], "label": ["confirmed_malware"]},
    "TracesSettings": {"mlflow": ["production-traces"]},
    "MonitorSettings": {
        "data": ["logs/predictions/*.parquet"],
        "labels": ["logs/labels/*.parquet"],
        "version": ["model_version"],
        "freshness": ["36h"],
    },
    "RetrainSettings": {"command": ["dvc repro"], "data": ["data/raw.csv"]},
    "EnvironmentSettings": {
        "after": ["staging"],
        "model": ["prod.security.malware-detector"],
        "champion": ["production"],
        "challenger": ["production-challenger"],
        "previous": ["production-previous"],
        "tracking_uri": ["https://mlflow.production.example.com"],
        "registry_uri": ["databricks-uc"],
        "token_variable": ["PRODUCTION_MLFLOW_TOKEN"],
        "deploy_command": ['./deploy.sh production "$MLOPS_CI_MODEL_URI"'],
        "probe_command": ["curl -sf https://models.example.com/malware-detector/version"],
    },
    "PromotionSettings": {
        "environment": ["staging"],
        "deploy_command": ['./deploy.sh "$MLOPS_CI_MODEL_URI"'],
        "probe_command": ["curl -sf https://models.example.com/malware-detector/version"],
        "ledger": ["https://git.example.com/ml/ledger.git"],
    },
    "PrivacySettings": {"show": [["platform"]]},
    "Settings": {
        "metrics": [{"recall": {"margin": 0.005}, "f1": {"margin": "2%", "gate": False}}],
    },
}  # fmt: skip


def with_examples(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the examples to a JSON Schema of the settings, in place."""
    for block, keys in EXAMPLES.items():
        properties = schema.get("$defs", {}).get(block, {}).get("properties", {})
        for key, examples in keys.items():
            properties[key]["examples"] = examples
    return schema
