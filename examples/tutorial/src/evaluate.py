"""Predict the holdout: with the pipeline's model, or with the one that mlops-ci names (`score_command`)."""

import json
import os
import pickle
from pathlib import Path

import pandas as pd
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

model = pickle.loads(Path(os.environ.get("MLOPS_CI_MODEL", "models/model.pkl")).read_bytes())
output = Path(os.environ.get("MLOPS_CI_OUTPUT", "reports/predictions.csv"))
holdout = pd.read_csv("data/holdout.csv")
labels = holdout["target"]
predicted = model.predict(holdout.drop(columns=["id", "target"]).to_numpy())
rows = pd.DataFrame({"id": holdout["id"], "target": labels, "y_pred": predicted})

output.parent.mkdir(exist_ok=True)
if output.suffix == ".parquet":  # the champion, on a holdout that it has not seen
    rows.to_parquet(output, index=False)
else:
    rows.to_csv(output, index=False)
    scores = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    found = {name: float(score(labels, predicted)) for name, score in scores.items()}
    found["accuracy"] = float(accuracy_score(labels, predicted))
    Path("metrics.json").write_text(json.dumps(found, indent=2) + "\n")
