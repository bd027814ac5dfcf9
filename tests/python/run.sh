#!/usr/bin/env bash
# Runs a script of this folder with the packages of requirements.txt, or of
# SCRIPT.txt where there is one, which are installed once into a virtual
# environment outside the checkout.
#   run.sh read_recording.py RECORDING
#   run.sh --install SCRIPT               only installs
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}
install=
if [ "${1:-}" = --install ]; then
  install=only
  shift
fi
script=$1
shift
packages=$here/${script%.py}.txt
[ -e "$packages" ] || packages=$here/requirements.txt
version=$(cksum <"$packages" | cut -d' ' -f1)
venv=$cache/python-$version
mkdir -p "$cache"
if [ ! -e "$venv/ready" ]; then
  # Tests run side by side: one installs, the others wait.
  exec 9>"$cache/python.lock"
  flock 9
  if [ ! -e "$venv/ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$packages" >&2
    touch "$venv/ready"
  fi
  flock -u 9
fi
[ -z "$install" ] || exit 0
exec "$venv/bin/python" "$here/$script" "$@"
