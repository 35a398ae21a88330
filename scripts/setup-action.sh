#!/usr/bin/env bash
# Install mlops-ci from this action's own path, by its lock file, into an environment of its own.
# It runs before any code of the change does, and shares nothing with the user's environment.
set -euo pipefail

if [ "${RUNNER_OS:-}" = Windows ]; then
  echo "::error title=mlops-ci::this action needs a Linux or macOS runner"
  exit 2
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home="$RUNNER_TEMP/mlops-ci"
mkdir -p "$home"

# What the user's steps have set must not steer our installation.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX UV_PYTHON UV_PROJECT UV_CONFIG_FILE
export PIP_ROOT_USER_ACTION=ignore
export UV_PROJECT_ENVIRONMENT="$home/env" UV_NO_PROGRESS=1 UV_NO_CONFIG=1
# One command runs here: compiling all of scipy for it takes longer than compiling what it imports.
export UV_COMPILE_BYTECODE=0

# Copies, since through a hard link a stage or a deploy command could write into uv's cache. The job that only
# decides runs nobody's code, and is spared copying 450 MB.
case "$MLOPS_CI_COMMAND:${MLOPS_CI_EVIDENCE:+evidence}" in
  check:evidence) export UV_LINK_MODE=hardlink ;;
  *) export UV_LINK_MODE=copy ;;
esac

# Only what the command needs: a job that decides on evidence runs no pipeline and needs no DVC.
extras=()
case "$MLOPS_CI_COMMAND" in
  data) extras+=(--extra dvc) ;;
  check | reproduce) [ -n "$MLOPS_CI_EVIDENCE" ] && [ "$MLOPS_CI_COMMAND" = check ] || extras+=(--extra dvc) ;;
esac
case "$MLOPS_CI_TRACKING_URI" in
  sqlite:*) extras+=(--extra local) ;;
esac

if ! uv=$(command -v uv); then
  # --target spares a whole environment for one program: a venv with pip of its own takes seconds.
  fetch=(install --quiet --disable-pip-version-check --no-warn-script-location --no-deps --require-hashes
    --requirement "$root/scripts/uv-requirements.txt")
  if python3 -m pip --version >/dev/null 2>&1; then
    python3 -m pip "${fetch[@]}" --target "$home/uv"
  else
    python3 -m venv "$home/uv"
    "$home/uv/bin/python" -m pip "${fetch[@]}"
  fi
  uv="$home/uv/bin/uv"
fi
# Before 4.4 (macOS has 3.2) bash takes an empty array for an unset one.
"$uv" sync --quiet --locked --no-editable --project "$root" ${extras[@]+"${extras[@]}"}

if [ -n "$MLOPS_CI_EXTRA_PACKAGES" ]; then
  read -r -a packages <<<"$MLOPS_CI_EXTRA_PACKAGES"
  "$uv" pip install --quiet --python "$home/env/bin/python" -- "${packages[@]}"
fi
