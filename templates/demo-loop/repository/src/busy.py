"""The model as a folder: a classifier, and what it reads. Training, evaluation and production share it."""

import json
import pathlib

import joblib
import pandas as pd

WEATHER = {"clear": 0, "mist": 1, "light_rain": 2, "heavy_rain": 3}
TEMPERATURE = {"old": "temp", "new": "feels_like"}


def inputs(hours, feed):
    """Return what the model reads of each hour; what is missing stays missing."""
    return pd.DataFrame(
        {
            "hour": hours["hour"],
            "weekday": hours["weekday"],
            "workingday": hours["workingday"],
            "weather": hours["weather"].map(WEATHER),
            "temperature": hours[TEMPERATURE[feed]],
            "humidity": hours["humidity"],
            "wind": hours["wind"],
        }
    )


def stamped(hours, clock):
    """Return live hours of the new feed, with hour and weekday by its timestamps."""
    stamps = pd.to_datetime(hours["stamp"])
    if clock == "utc":
        stamps = stamps.dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    return hours.assign(hour=stamps.dt.hour, weekday=stamps.dt.weekday)


def save(folder, classifier, feed, clock):
    """Write a model."""
    place = pathlib.Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    joblib.dump(classifier, place / "classifier.joblib")
    (place / "reads.json").write_text(json.dumps({"feed": feed, "clock": clock}) + "\n")


def scores(folder, hours, *, live=False):
    """Return the probability that each hour is busy: hours of the archive, or live from the feeds."""
    place = pathlib.Path(folder)
    reads = json.loads((place / "reads.json").read_text())
    if live and reads["feed"] == "new":
        hours = stamped(hours, reads["clock"])
    classifier = joblib.load(place / "classifier.joblib")
    return classifier.predict_proba(inputs(hours, reads["feed"]))[:, 1]
