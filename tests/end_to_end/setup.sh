#!/usr/bin/env bash
# What the end-to-end tests need beside Python packages: git, node 20 with npm, a browser, nginx, and the actions that
# stand in for GitHub's own. Run it as often as you like: it does only what is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
built=$(cd "$here/../.." && pwd)/.cache/end_to_end/actions

install_packages() {
  local as=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install $* first: this user may not" >&2; exit 1; }
    as=(sudo)
  fi
  "${as[@]}" apt-get update -qq
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

missing=()
command -v git >/dev/null || missing+=(git)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium fonts-noto-color-emoji)
command -v nginx >/dev/null || missing+=(nginx-light)
command -v rsync >/dev/null || missing+=(rsync)
command -v tmux >/dev/null || missing+=(tmux)
# For one of the examples; PyPI's PyTorch brings gigabytes of CUDA.
/usr/bin/python3 -c "import torch, venv" 2>/dev/null || missing+=(python3-torch python3-venv)
[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"

node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' || {
  echo "node $(node --version) is too old for the artifact actions: install node 18 or later" >&2
  exit 1
}

stamp=$(cd "$here" && find actions setup.sh -type f -not -path '*/node_modules/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
if [ "$(cat "$built/stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$built"
  mkdir -p "$built"
  cp -R "$here/actions/." "$built/"
  (
    cd "$built"
    npm ci --silent --no-audit --no-fund
    for action in upload-artifact download-artifact; do
      # Names of classes are kept: a library in it recognises AbortSignal by its name.
      npx --no-install esbuild "$action/main.js" --bundle --platform=node --keep-names --log-level=warning \
        --outfile="$action/index.js"
      rm "$action/main.js"
    done
    rm -rf node_modules
  )
  echo "$stamp" >"$built/stamp"
fi

# GitHub's look for reports, what judges a page's accessibility, and GitLab's pipelines on this machine.
look=$(cd "$here/../.." && pwd)/.cache/end_to_end/browser
if [ ! -d "$look/node_modules/axe-core" ]; then
  mkdir -p "$look"
  npm install --silent --no-audit --no-fund --prefix "$look" \
    github-markdown-css@5.9.0 mermaid@11.17.2 axe-core@4.14.1 gitlab-ci-local@4.62.0
fi
