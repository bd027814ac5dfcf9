#!/usr/bin/env bash
# Licences, bans and sources of every dependency, and advisories where the
# advisory database can be fetched.
set -euo pipefail
tools=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/tools
deny=$(command -v cargo-deny || echo "$tools/bin/cargo-deny")
if [ ! -x "$deny" ]; then
  CARGO_TARGET_DIR="$tools/target" cargo install cargo-deny --locked --debug --root "$tools"
  rm -rf "$tools/target"
fi
"$deny" check licenses bans sources
# Without the network to the database this says nothing about advisories,
# which is not the same as none.
if "$deny" fetch db >/dev/null 2>&1; then
  "$deny" check advisories
else
  echo "advisories: the database could not be fetched; not checked" >&2
fi
