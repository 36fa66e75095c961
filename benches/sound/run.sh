#!/usr/bin/env bash
# How calls sound, beside Chromium; needs root for its network namespaces. Builds for release first.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace --bins
python=${CARGO_TARGET_DIR:-target}/sound
if [[ ! benches/sound/requirements.txt -ot $python/ready ]]; then
    rm -rf "$python"
    python3 -m venv "$python"
    "$python/bin/pip" install --quiet --requirement benches/sound/requirements.txt
    touch "$python/ready"
fi
PARLOR_TEST_PROFILE=release exec node benches/sound/main.mjs "$@"
