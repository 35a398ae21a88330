"""Split the hours by day: every fifth is held out, so that a day stays where it is when months are added."""

import pathlib

import pandas as pd
import yaml

limit = yaml.safe_load(pathlib.Path("params.yaml").read_text())["prepare"]["busy_above"]
hours = pd.read_csv("data/hours.csv", parse_dates=["date"])
hours["busy"] = (hours["count"] > limit).astype(int)
held_out = (hours["date"] - pd.Timestamp("2011-01-01")).dt.days % 5 == 0

hours = hours.drop(columns=["date", "count"])
hours[~held_out].to_csv("data/train.csv", index=False)
hours[held_out].to_csv("data/holdout.csv", index=False)
