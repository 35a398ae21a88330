#!/usr/bin/env bash
# The circle of the MLOps tutorial with real tools: git, DVC, MLflow and mlops-ci, all on this machine.
#
#   examples/tutorial/walk.sh FOLDER     # FOLDER is made; needs mlops-ci[local] on PATH
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?name a folder that does not exist yet}
mkdir "$folder"
folder=$(cd "$folder" && pwd)
export DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL="$folder/gitconfig" MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
git config --global user.name "Tutorial"
git config --global user.email "tutorial@example.invalid"
git config --global init.defaultBranch main

step() { printf '\n=== %s\n' "$1"; }
save() { git add --all && git commit --quiet --message "$1" && git push --quiet origin HEAD; }
# A blocked merge is what some steps are for: the exit code is shown, and the walk goes on.
expect() {
  local wanted=$1 code=0
  shift
  "$@" || code=$?
  echo "exit code $code"
  [ "$code" = "$wanted" ] || { echo "expected $wanted" >&2; exit 1; }
}

step "Data versioning: the data in DVC, a pointer in git"
git init --quiet --bare "$folder/origin.git"
git init --quiet "$folder/repository" && cd "$folder/repository"
git remote add origin "$folder/origin.git"
cp -R "$here/." .
dvc init --quiet && mkdir "$folder/storage" && dvc remote add --quiet --default storage "$folder/storage"
python src/make_data.py
dvc add --quiet data/dataset.csv
grep md5 data/dataset.csv.dvc

step "A reproducible pipeline: ingest, train, evaluate"
dvc repro --quiet && dvc push --quiet
cat metrics.json
save "A random forest"

step "Experiment tracking and model registry: the first champion, its run and its predictions in MLflow"
expect 0 mlops-ci adopt --from-pipeline

step "CI: a pull request with trees of depth 1 is blocked"
git switch --quiet --create shallow
sed -i 's/max_depth: 10/max_depth: 1/; s/n_estimators: 100/n_estimators: 1/' params.yaml
save "Shallow trees train faster"
expect 1 mlops-ci check

step "CI: a pull request with a deeper forest may be merged"
git switch --quiet --force main && git switch --quiet --create deeper
sed -i 's/max_depth: 10/max_depth: 12/' params.yaml
save "Deeper trees"
expect 0 mlops-ci check --report-dir "$folder/reports"

step "Merge and promote: exactly the bytes that were judged, through the ledger"
git switch --quiet --force main
git merge --quiet --no-ff --message "Merge deeper" deeper && git push --quiet origin main
expect 0 mlops-ci promote

step "Which data, code and verdict are in production, and since when?"
expect 0 mlops-ci lineage

step "Monitoring: production data in normal conditions has not drifted, though a bare p-value would say so"
expect 0 mlops-ci drift monitoring/reference.csv monitoring/production.csv --on-drift block

step "Drift detection: this production data has"
expect 1 mlops-ci drift monitoring/reference.csv monitoring/production-drifted.csv --on-drift block

step "A surge of false alarms? Back to the version before, in seconds"
expect 0 mlops-ci rollback --reason "a surge of false positives"

# The seam: what canary, monitor and retrain add to the circle stands in steps of its own.
for more in "$here"/steps/*.sh; do
  [ -e "$more" ] && . "$more"
done
step "The circle is closed: retraining starts with new data, at the top"
