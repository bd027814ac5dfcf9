#!/usr/bin/env bash
# Makes code-changes.mcap from a file of events, through a real broker:
#   make.sh code-changes.jsonl.zst [JOINSCOPE]
# JOINSCOPE is the program (default: target/debug/joinscope of the workspace,
# or of CARGO_TARGET_DIR). Needs java, mvn, python3 with venv, zstd, and what
# Maven Central and PyPI give.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
events=${1:?the file of events, e.g. code-changes.jsonl.zst}
joinscope=${2:-${CARGO_TARGET_DIR:-$root/target}/debug/joinscope}
venv=${JOINSCOPE_CACHE:-$HOME/.cache/joinscope}/python-produce
kafka=$(mktemp -d)
new=$here/code-changes.new.mcap

finish() {
  rm -f "$new"
  "$root/tests/kafka/registry.sh" stop --dir "$kafka" || true
  "$root/tests/kafka/kafka.sh" stop --dir "$kafka" || true
}
trap finish EXIT

[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -c 'import confluent_kafka, fastavro' 2>/dev/null ||
  "$venv/bin/pip" install --quiet confluent-kafka==2.16.1 fastavro==1.13.1

brokers=$("$root/tests/kafka/kafka.sh" start --dir "$kafka")
registry=$("$root/tests/kafka/registry.sh" start --dir "$kafka")
zstd --decompress --stdout "$events" |
  "$venv/bin/python" "$here/produce.py" --brokers "$brokers" --registry "$registry"
# The one that is there stays until the new one is whole.
rm -f "$new"
"$joinscope" record --brokers "$brokers" --topics code-changes --registry "$registry" \
  --compression zstd:19 -o "$new"
mv "$new" "$here/code-changes.mcap"
