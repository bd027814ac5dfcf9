#!/usr/bin/env bash
# Runs the tests, but for the long ones (make parity, make torture). A display and a
# Kafka are started and stopped by the tests that need them.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --workspace --all-targets "$@"
cargo test --workspace --doc
