#!/usr/bin/env bash
# Makes feed.mcap anew, the same bytes each time:
#   make.sh [JOINSCOPE]
# JOINSCOPE is the program (default: target/debug/joinscope of the workspace,
# or of CARGO_TARGET_DIR).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
joinscope=${1:-${CARGO_TARGET_DIR:-$root/target}/debug/joinscope}

# What --incident stands for is spelt out in the recording's notes:
# joinscope recording info feed.mcap
# The one that is there stays until the new one is whole.
new=$here/feed.new.mcap
rm -f "$new"
trap 'rm -f "$new"' EXIT
"$joinscope" generate feed --incident --compression zstd:19 -o "$new"
"$joinscope" recording verify "$new"
mv "$new" "$here/feed.mcap"
