"""Run in a peer's own environment: `judge.py PEER FOLDER...` prints, for each folder, which columns it flags.

Each folder has reference.parquet and current.parquet. Only the standard library, pandas and the peer.
"""

import json
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import pandas as pd  # noqa: E402


def scipy_loop(reference, current):
    """One test a column, p < 0.05: what one writes without a library."""
    from scipy import stats

    flagged = []
    for name in reference.columns:
        a, b = reference[name].dropna(), current[name].dropna()
        if a.dtype.kind == "f":
            p = stats.ks_2samp(a, b).pvalue
        else:
            both = pd.concat([a.value_counts(), b.value_counts()], axis=1).fillna(0)
            p = stats.chi2_contingency(both.to_numpy().T).pvalue
        if p < 0.05:
            flagged.append(name)
    return flagged


def evidently(reference, current):
    """Judge by the preset as it comes."""
    from evidently import Dataset, Report
    from evidently.presets import DataDriftPreset

    sides = [Dataset.from_pandas(side) for side in (current, reference)]
    found = Report([DataDriftPreset()]).run(*sides).dict()
    flagged = []
    for metric in found["metrics"]:
        config = metric.get("config", {})
        if "ValueDrift" in config.get("type", "") or metric["metric_name"].startswith("ValueDrift"):
            value, threshold = float(metric["value"]), float(config["threshold"])
            below = "p_value" in str(config.get("method", "")) or "p_value" in metric["metric_name"]
            if value < threshold if below else value >= threshold:
                flagged.append(config["column"])
    return flagged


def alibi_detect(reference, current):
    """TabularDrift with its default correction (Bonferroni), categories as codes."""
    import numpy as np
    from alibi_detect.cd import TabularDrift

    both = pd.concat([reference, current])
    codes, per_feature = {}, {}
    for place, name in enumerate(both.columns):
        if both[name].dtype == object:
            codes[name] = pd.Categorical(both[name]).categories
            per_feature[place] = None
    sides = []
    for side in (reference, current):
        columns = [
            pd.Categorical(side[name], categories=codes[name]).codes if name in codes else side[name]
            for name in both.columns
        ]
        sides.append(np.column_stack(columns).astype(np.float32))
    detector = TabularDrift(sides[0], p_val=0.05, categories_per_feature=per_feature)
    found = detector.predict(sides[1], drift_type="feature")["data"]
    # Its own correction holds for the batch: a feature counts if the batch is flagged by it.
    threshold = 0.05 / len(both.columns)
    return [name for name, p in zip(both.columns, found["p_val"], strict=True) if p < threshold]


def nannyml(reference, current):
    """Judge by the univariate calculator as it comes; a column counts if any chunk of it does."""
    import nannyml as nml

    numeric = [name for name in reference.columns if reference[name].dtype.kind == "f"]
    names = list(reference.columns)
    calculator = nml.UnivariateDriftCalculator(
        column_names=names,
        treat_as_categorical=[name for name in names if name not in numeric],
        chunk_size=max(len(reference) // 10, 100),
    )
    calculator.fit(reference)
    table = calculator.calculate(current).filter(period="analysis").to_df()
    flagged = []
    for name in names:
        alerts = [table[column] for column in table.columns if column[0] == name and column[-1] == "alert"]
        if any(bool(alert.any()) for alert in alerts):
            flagged.append(name)
    return flagged


def whylogs(reference, current):
    """Its drift scores as they come."""
    import whylogs as why
    from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

    views = [why.log(pandas=side).view() for side in (current, reference)]
    found = calculate_drift_scores(target_view=views[0], reference_view=views[1], with_thresholds=True)
    return [name for name, one in found.items() if one and one["drift_category"] == "DRIFT"]


PEERS = {
    "scipy loop": scipy_loop,
    "evidently": evidently,
    "alibi-detect": alibi_detect,
    "nannyml": nannyml,
    "whylogs": whylogs,
}


def main():
    peer, folders = sys.argv[1], sys.argv[2:]
    for folder in folders:
        sides = [pd.read_parquet(f"{folder}/{side}.parquet") for side in ("reference", "current")]
        start = time.perf_counter()
        flagged = PEERS[peer](*sides)
        took = time.perf_counter() - start
        print("RESULT " + json.dumps({"folder": folder, "flagged": flagged, "seconds": took}), flush=True)


if __name__ == "__main__":
    main()
