#!/usr/bin/env bash
# The circle of the MLOps tutorial with real tools: git, DVC, MLflow and mlops-ci, all on this machine.
#
#   examples/tutorial/walk.sh FOLDER     # FOLDER is made; needs mlops-ci[local] and requirements.txt on PATH
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?name a folder that does not exist yet}
mkdir "$folder"
folder=$(cd "$folder" && pwd)
export DVC_NO_ANALYTICS=1 GIT_CONFIG_GLOBAL="$folder/gitconfig" MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
export PYTHONDONTWRITEBYTECODE=1 MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false
git config --global user.name "Tutorial"
git config --global user.email "tutorial@example.invalid"
git config --global init.defaultBranch main

step() { printf '\n=== %s\n' "$1"; }
ours() { echo "\$ mlops-ci $*" && mlops-ci "$@"; }
save() { git add --all && git commit --quiet --message "$1" && git push --quiet origin HEAD; }
change() { git switch --quiet --force main && git switch --quiet --create "$1" && sed -i "$2" params.yaml && save "$3"; }
merge() { git switch --quiet --force main && git merge --quiet --no-ff --message "Merge $1" "$1" && git push --quiet origin main; }
# A blocked merge is what some steps are for: the exit code is shown, and the walk goes on.
expect() {
  local wanted=$1 code=0
  shift
  ours "$@" || code=$?
  echo "exit code $code"
  [ "$code" = "$wanted" ] || { echo "expected $wanted" >&2; exit 1; }
}
# Requests come in, the canary is looked at, until it is over; the last look ends as is expected.
canary() {
  local wanted=$1 condition=$2 code
  for _ in 1 2 3 4 5 6 7 8; do
    python ../production/serve.py live "$condition"
    code=0
    ours canary look || code=$?
    grep --quiet , ../production/router.json || break
  done
  echo "exit code $code, and the router says $(cat ../production/router.json)"
  [ "$code" = "$wanted" ] || { echo "expected $wanted" >&2; exit 1; }
}

step "Data versioning: the data in DVC, a pointer with its MD5 in git"
git init --quiet --bare "$folder/origin.git"
git init --quiet "$folder/repository" && cd "$folder/repository"
git remote add origin "$folder/origin.git"
cp -R "$here/." . && rm walk.sh && mv production ../production
dvc init --quiet && mkdir "$folder/storage" && dvc remote add --quiet --default storage "$folder/storage"
python src/make_data.py
cp data/dataset.csv ../production/dataset.csv
dvc add --quiet data/dataset.csv
grep md5: data/dataset.csv.dvc

step "A reproducible pipeline: ingest, train and evaluate run by DVC; their inputs and outputs are pinned in dvc.lock"
dvc repro --quiet && dvc push --quiet
cat metrics.json
save "A random forest"

step "Model registry: the model that is in production becomes version 1, the champion, with its run and its predictions"
expect 0 adopt --from-pipeline
MLOPS_CI_MODEL_NAME=random-forest MLOPS_CI_MODEL_VERSION=1 python ../production/deploy.py

step "CI gate: a change that makes the model worse is blocked"
change shallow 's/max_depth: 10/max_depth: 1/; s/n_estimators: 100/n_estimators: 1/' "One shallow tree trains faster"
expect 1 check

step "CI gate: a change that does not may be merged"
change deeper 's/max_depth: 10/max_depth: 12/' "Deeper trees"
expect 0 check --report-dir "$folder/reports"

step "Experiment tracking: each candidate has its run, and runs are compared by query (or in MLflow's UI)"
python src/runs.py

step "Canary: after the merge version 2 gets 25% of the requests; proven safe, it becomes the champion"
merge deeper
expect 0 promote
expect 0 canary status
canary 0 normal

step "Rollback by hand: to the version before and forth again, in seconds"
expect 0 rollback --reason "a drill"
cat ../production/router.json
expect 0 rollback --to 2 --reason "the drill is over"
cat ../production/router.json

step "CI gate: a change that finds more malware is held: 90 benign rows cannot settle what it does to false positives"
change eager 's/threshold: 0.5/threshold: 0.35/' "Call a file malware from 0.35 on"
expect 3 check

step "Canary: someone says yes to it; live traffic shows a surge of false positives; rolled back at once, by nobody's hand"
merge eager
expect 0 promote --approve "we want the recall"
canary 1 normal
git revert --no-edit --mainline 1 HEAD >/dev/null && git push --quiet origin main

step "Drift, the rule: normal(0.1, 1.1) against normal(0, 1) is none, though a bare p-value would say so"
expect 0 drift monitoring/reference.csv monitoring/production.csv --on-drift block

step "Drift, the rule: normal(2.0, 1.5) is"
expect 1 drift monitoring/reference.csv monitoring/production-drifted.csv --on-drift block

day() { date --utc --date "$1 days ago" +%F; }
step "Monitoring: three days in normal conditions, no drift and no loss; nothing is trained"
python ../production/serve.py days normal "$(day 6)" 3
expect 0 monitor --at "$(day 3)T12:00"
expect 0 retrain --at "$(day 3)T12:00"

step "Drift detection: three drifted days, and labels prove a loss"
python ../production/serve.py days drifted "$(day 3)" 3
expect 0 monitor

step "Retrain trigger: drift and a proven loss start one training, and the next run starts none"
expect 0 retrain
expect 0 retrain
cat ../production/trainings.log

step "Data versioning, again: newer data with an MD5 of their own, stored, proven to be stored, on a branch"
expect 0 data update data/dataset.csv
branch=$(git for-each-ref --format '%(refname:short)' refs/heads/mlops-ci/)
git switch --quiet --force "$branch"
git diff main --unified=0 -- data/dataset.csv.dvc | grep '^[-+].*md5:'

step "CI gate: the retrained model is held against the champion, on rows that neither was trained on"
expect 0 check --target main

step "Canary: on drifted traffic version 4 makes far fewer false positives, and becomes the champion"
merge "$branch"
expect 0 promote
canary 0 drifted

step "Lineage: from the checksum of the training data to the time of deployment"
expect 0 lineage --format json --output "$folder/lineage.json"
expect 0 lineage 4
