#!/usr/bin/env bash
# Every comparison with Chromium, one after the other, and all their tables once more at the end. Ends with status 1 where a bar was
# missed or a comparison could not be made. `--runs N` is for all of them.
set -uo pipefail
cd "$(dirname "$0")/.."
tables=${CARGO_TARGET_DIR:-target}/bench
mkdir -p "$tables"
rm -f "$tables"/*.txt
status=0
for bench in call quality sound; do
    benches/$bench/run.sh "$@" | tee "$tables/$bench.txt" || status=1
done
printf '\nEverything that was compared, %s\n' "$(date --utc '+%F %R UTC')"
cat "$tables"/{call,quality,sound}.txt
exit $status
