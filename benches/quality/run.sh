#!/usr/bin/env bash
# How calls begin and what they make of a link, beside Chromium; needs root for its network namespaces. Builds for release first.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace --bins
PARLOR_TEST_PROFILE=release exec node benches/quality/main.mjs "$@"
