#!/bin/sh
# Sends MLOPS_CI_SHARE of the requests to MLOPS_CI_CHALLENGER and the rest to MLOPS_CI_VERSION, with nginx's
# split_clients. Set it as promotion.deploy_command; run as often as you like, it only does what differs.
#
#   NGINX_BACKEND     address of a version, {version} stands for its number   127.0.0.1:90{version}
#   NGINX_SPLIT_CONF  the file to write, included in nginx's http block        /etc/nginx/conf.d/mlops-ci-split.conf
#   NGINX_SPLIT_KEY   what is split by: a user stays with one version if it
#                     names the user, such as $cookie_user                     $request_id
#   NGINX             the command, such as "sudo nginx" or "nginx -c FILE"     nginx
#
# In your server block:  location / { proxy_pass http://$mlops_ci_upstream; }
set -eu

conf=${NGINX_SPLIT_CONF:-/etc/nginx/conf.d/mlops-ci-split.conf}
key=${NGINX_SPLIT_KEY:-'$request_id'}
nginx=${NGINX:-nginx}
backend=${NGINX_BACKEND:?name the address of a version}
champion=${MLOPS_CI_VERSION:?}
challenger=${MLOPS_CI_CHALLENGER:-}
share=${MLOPS_CI_SHARE:-0}

for version in "$champion" "$challenger"; do
  case $version in *[!A-Za-z0-9._-]*) echo "nginx-split: '$version' is no version" >&2; exit 2 ;; esac
done
percent=$(awk -v share="$share" 'BEGIN {
  if (share !~ /^[0-9.]+([eE]-?[0-9]+)?$/ || share + 0 > 1) exit 1
  printf "%.2f", 100 * share
}') || { echo "nginx-split: '$share' is no share of the traffic" >&2; exit 2; }

address() { printf '%s' "$backend" | sed "s/{version}/$1/g"; }
written() {
  echo "# Written by mlops-ci: do not edit."
  echo "upstream mlops_ci_$champion { server $(address "$champion"); keepalive 16; }"
  if [ -n "$challenger" ] && [ "$percent" != 0.00 ]; then
    echo "upstream mlops_ci_$challenger { server $(address "$challenger"); keepalive 16; }"
  fi
  echo "split_clients \"$key\" \$mlops_ci_version {"
  if [ -n "$challenger" ] && [ "$percent" != 0.00 ]; then echo "    $percent% $challenger;"; fi
  echo "    * $champion;"
  echo "}"
  echo "map \$mlops_ci_version \$mlops_ci_upstream { default mlops_ci_\$mlops_ci_version; }"
}

# Not named .conf, so that nginx does not include it; in the same folder, so that the move is atomic.
new=$conf.$$.new
old=$conf.$$.old
trap 'rm -f "$new" "$old"' EXIT
written >"$new"
if cmp -s "$new" "$conf"; then
  # A run before this one may have died between the file and the reload.
  $nginx -s reload
  exit 0
fi
if [ -f "$conf" ]; then cp "$conf" "$old"; fi
mv "$new" "$conf"
# nginx reads the file only when it reloads: until then the old split is in force.
if ! $nginx -t -q; then
  if [ -f "$old" ]; then mv "$old" "$conf"; else rm -f "$conf"; fi
  echo "nginx-split: nginx refuses the configuration; the old one stays" >&2
  exit 1
fi
$nginx -s reload
