#!/usr/bin/env bash
# What a call costs, beside Chromium doing the same in the same run; glass to glass needs root. Builds for release first.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace --bins
benches/call/glass/build.sh
PARLOR_TEST_PROFILE=release exec node benches/call/main.mjs "$@"
