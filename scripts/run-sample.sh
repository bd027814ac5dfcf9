#!/usr/bin/env bash
# Opens the window on a sample that has been run; without a display, writes
# the window's picture to a file and says so.
#   scripts/run-sample.sh BINARY SAMPLE_FOLDER
set -euo pipefail
bin=$1
sample=$2
name=$(basename "$sample")
out=${JOINSCOPE_RUNS:-${XDG_CACHE_HOME:-$HOME/.cache}/joinscope/sample-runs}/$name
# A run of an older program or sample is made anew.
stamp=$(cat "$sample/$name.mcap" "$sample/$name.toml" "$bin" | sha256sum | cut -c1-32)
if [ "$(cat "$out.stamp" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$out" "$out.stamp"
  mkdir -p "$(dirname "$out")"
  "$bin" run "$sample/$name.toml" --recording "$sample/$name.mcap" --out "$out"
  echo "$stamp" >"$out.stamp"
fi
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  exec "$bin" "$out"
fi
picture=${JOINSCOPE_PICTURE:-$PWD/joinscope.png}
echo "There is no display here (DISPLAY and WAYLAND_DISPLAY are empty), so the window cannot open." >&2
# Without one the graphics libraries complain on stderr.
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(dirname "$out")}
"$bin" screenshot "$out" --panel all --size 1600x1000 -o "$picture"
echo "Its picture is in $picture" >&2
