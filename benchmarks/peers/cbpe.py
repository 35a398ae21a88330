"""Run in NannyML's own environment: `cbpe.py FOLDER` estimates each window of analysis.parquet.

reference.parquet and analysis.parquet have the columns window (a whole number), score, pred, y. Prints JSON:
metric -> list of [window, value, lower, upper].
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")
import nannyml as nml  # noqa: E402
import pandas as pd  # noqa: E402

METRICS = ["accuracy", "roc_auc", "f1", "precision", "recall", "specificity"]


def main(folder):
    reference = pd.read_parquet(f"{folder}/reference.parquet")
    analysis = pd.read_parquet(f"{folder}/analysis.parquet")
    start = pd.Timestamp("2000-01-01")
    for frame in (reference, analysis):
        frame["day"] = start + pd.to_timedelta(frame["window"], unit="D")
    estimator = nml.CBPE(
        y_pred_proba="score",
        y_pred="pred",
        y_true="y",
        timestamp_column_name="day",
        problem_type="classification_binary",
        metrics=METRICS,
        chunk_period="D",
    )
    estimator.fit(reference)
    found = estimator.estimate(analysis).filter(period="analysis").to_df(multilevel=True)
    said = {}
    for metric in METRICS:
        rows = zip(
            found[("chunk", "start_date")],
            found[(metric, "value")],
            found[(metric, "lower_confidence_boundary")],
            found[(metric, "upper_confidence_boundary")],
        )
        said[metric] = [[(day.normalize() - start).days, *map(float, rest)] for day, *rest in rows]
    print(json.dumps(said))


main(sys.argv[1])
