"""MLflow: evaluate both files as runs, and validate the candidate against the champion's result."""

import sys
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import MetricThreshold

champion, candidate, output = sys.argv[1:4]
mlflow.set_tracking_uri(f"sqlite:///{Path(output).parent / 'mlflow.db'}")
mlflow.set_experiment("peers")
results = []
for path in (champion, candidate):
    with mlflow.start_run():
        results.append(
            mlflow.models.evaluate(
                data=pd.read_csv(path), predictions="y_pred", targets="y_true", model_type="classifier"
            )
        )
# A loss that is accepted cannot be said: a change must gain, and be it next to nothing.
gain = MetricThreshold(min_absolute_change=1e-9, greater_is_better=True)
try:
    mlflow.validate_evaluation_results({"accuracy_score": gain}, results[1], results[0])
except mlflow.exceptions.MlflowException as error:
    print(f"{type(error).__name__}")
else:
    print("passes")
