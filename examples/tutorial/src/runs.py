"""Query the runs of the experiment: what was tried, with which parameters, and what came of it."""

import mlflow
import yaml

(experiment,) = mlflow.MlflowClient().search_experiments(filter_string="name = 'model-comparison'")
runs = mlflow.MlflowClient().search_runs(
    [experiment.experiment_id], "metrics.accuracy > 0", order_by=["attributes.start_time"]
)
print(f"{'run':<26}  trees  depth  threshold  accuracy  precision  recall  verdict")
for run in runs:
    train, found = yaml.safe_load(run.data.params["params.yaml:train"]), run.data.metrics
    print(
        f"{run.info.run_name:<26}  {train['n_estimators']:>5}  {train['max_depth']:>5}"
        f"  {train['threshold']:>9}"
        f"  {found['accuracy']:>8.3f}  {found['precision']:>9.3f}  {found['recall']:>6.3f}"
        f"  {run.data.tags.get('mlops_ci.verdict', '')}"
    )
