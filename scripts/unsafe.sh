#!/usr/bin/env bash
# The project's `unsafe`, all of it in the Kafka edge: what is pure under Miri
# (where a nightly toolchain has it), the calls into librdkafka on its own mock
# broker under Valgrind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "unsafe.sh: $*" >&2; }

command -v valgrind >/dev/null || { say "valgrind is missing: install valgrind"; exit 1; }
binary=$(cargo test --workspace --lib --no-run --message-format=json |
  sed -n 's/.*"name":"joinscope_core".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -n "$binary" ] || { say "the tests of joinscope-core were not built"; exit 1; }
(cd core/engine && CARGO_MANIFEST_DIR=$PWD valgrind --quiet --error-exitcode=9 "$binary" kafka::sys --test-threads 1)
say "Valgrind found nothing"

if cargo +nightly miri --version >/dev/null 2>&1; then
  CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/miri \
    cargo +nightly miri test --manifest-path tests/miri/Cargo.toml
  say "Miri found nothing"
else
  say "no nightly toolchain with Miri: rustup component add miri rust-src --toolchain nightly"
fi
