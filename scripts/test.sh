#!/usr/bin/env bash
# Runs every test. A display of its own for the window's tests; Kafka is
# started and stopped by the tests that need it.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --all-targets "$@"
cargo test --workspace --doc
