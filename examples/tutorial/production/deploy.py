"""What `promotion.deploy_command` runs: fetch the versions that serve, and tell the router their shares."""

import json
import os
from pathlib import Path

import mlflow

PLACE = Path(__file__).parent
name, champion = os.environ["MLOPS_CI_MODEL_NAME"], os.environ["MLOPS_CI_MODEL_VERSION"]
challenger, share = os.environ.get("MLOPS_CI_CHALLENGER", ""), float(os.environ.get("MLOPS_CI_SHARE", "0"))
shares = {champion: 1 - share, challenger: share} if challenger else {champion: 1.0}

for version in shares:
    folder = PLACE / "models" / version
    if not folder.exists():
        folder.mkdir(parents=True)
        mlflow.artifacts.download_artifacts(f"models:/{name}/{version}", dst_path=str(folder))
# In one step: a request sees the old shares or the new ones.
new = PLACE / "router.json.new"
new.write_text(json.dumps({"shares": shares}) + "\n")
new.replace(PLACE / "router.json")
