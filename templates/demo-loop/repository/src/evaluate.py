"""Predict the holdout: with the pipeline's model, or with the one that mlops-ci names (`score_command`)."""

import json
import os
import pathlib

import busy
import pandas as pd

model = os.environ.get("MLOPS_CI_MODEL", "models/busy")
output = pathlib.Path(os.environ.get("MLOPS_CI_OUTPUT", "reports/predictions.csv"))
hours = pd.read_csv("data/holdout.csv")
score = busy.scores(model, hours)
rows = hours[["id", "busy"]].assign(predicted=(score >= 0.5).astype(int), score=score)

output.parent.mkdir(exist_ok=True)
if output.suffix == ".parquet":
    rows.to_parquet(output, index=False)
else:
    rows.to_csv(output, index=False, float_format="%.6f")
    accuracy = float((rows["busy"] == rows["predicted"]).mean())
    pathlib.Path("metrics.json").write_text(json.dumps({"accuracy": accuracy}) + "\n")
