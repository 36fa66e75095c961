#!/usr/bin/env bash
# What faults of the network cost, beside Chromium; needs root for its network namespaces. Builds for release first.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace --bins
PARLOR_TEST_PROFILE=release exec node benches/faults/main.mjs "$@"
