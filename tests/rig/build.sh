#!/usr/bin/env bash
# Builds the test instruments that are written in C into target/rig, each where it is older than its sources.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../target/rig}

mkdir -p "$out"
for name in busymic fakecam; do
  library=$out/$name.so
  if [[ -e $library && -z $(find "$here/$name" "$here/build.sh" -newer "$library" -print -quit) ]]; then
    continue
  fi
  # Moved into place when it is whole: two test runs may build at once.
  work=$(mktemp "$library.XXXXXX")
  trap 'rm -f "$work"' EXIT
  "${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work" "$here/$name"/*.c -ldl -lpthread
  chmod 755 "$work"
  mv "$work" "$library"
done
