#!/usr/bin/env bash
# The refs that actions/checkout leaves behind, and no others: a workflow that needs more must say so.
set -euo pipefail

mkdir -p "$FOLDER" && cd "$FOLDER"
git init --quiet --initial-branch=main .
git remote add origin "file://$STAND_IN_REMOTES/$REPOSITORY.git"

sha=""
if [ -z "$REF" ]; then
  REF=$GITHUB_REF
  sha=$GITHUB_SHA
fi
case "$REF" in
  refs/pull/*) target="refs/remotes/${REF#refs/}" ;;
  refs/heads/*) target="refs/remotes/origin/${REF#refs/heads/}" ;;
  refs/tags/*) target=$REF ;;
  *) target="" ;;
esac
if [ -z "$target" ]; then
  if git ls-remote --exit-code --heads origin "refs/heads/$REF" >/dev/null; then
    target="refs/remotes/origin/$REF" REF="refs/heads/$REF"
  elif git ls-remote --exit-code --tags origin "refs/tags/$REF" >/dev/null; then
    target="refs/tags/$REF" REF="refs/tags/$REF"
  fi
fi

specs=("+${sha:-$REF}${target:+:$target}")
fetch=(git fetch --quiet --no-recurse-submodules --prune)
if [ "$DEPTH" = 0 ]; then
  everything=("+refs/heads/*:refs/remotes/origin/*" "+refs/tags/*:refs/tags/*")
  case "$target" in
    refs/remotes/origin/* | refs/tags/*) specs=("${everything[@]}") ;; # git refuses two sources of one ref
    *) specs+=("${everything[@]}") ;;
  esac
else
  fetch+=(--no-tags "--depth=$DEPTH")
fi
"${fetch[@]}" origin "${specs[@]}"

case "$target" in
  refs/remotes/origin/*) git checkout --quiet --force -B "${target#refs/remotes/origin/}" "$target" ;;
  "") git checkout --quiet --force --detach "${sha:-$REF}" ;;
  *) git checkout --quiet --force --detach "$target" ;;
esac
if [ "$PERSIST" = true ]; then
  git config --local "http.$GITHUB_SERVER_URL/.extraheader" \
    "AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
fi
echo "commit=$(git rev-parse HEAD)" >>"$GITHUB_OUTPUT"
