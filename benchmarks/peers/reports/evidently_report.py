"""Evidently: a classification report of the candidate with the champion as reference, and its own tests."""

import sys

import pandas as pd
from evidently import BinaryClassification, DataDefinition, Dataset, Report
from evidently.presets import ClassificationPreset

champion, candidate, output = sys.argv[1:4]
columns = BinaryClassification(target="y_true", prediction_labels="y_pred", pos_label=1)
definition = DataDefinition(classification=[columns])
sides = [
    Dataset.from_pandas(pd.read_csv(path), data_definition=definition) for path in (candidate, champion)
]
result = Report([ClassificationPreset()], include_tests=True).run(*sides)
result.save_html(output)
failed = [test["name"] for test in result.dict()["tests"] if test["status"].value != "SUCCESS"]
print("fails: " + failed[0] if failed else f"{len(result.dict()['tests'])} tests pass")
