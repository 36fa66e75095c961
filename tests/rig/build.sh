#!/usr/bin/env bash
# Builds the test instruments that are written in C into target/rig, where they are older than their sources.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../target/rig}

mkdir -p "$out"
library=$out/fakecam.so
if [[ -e $library && -z $(find "$here/fakecam" "$here/build.sh" -newer "$library" -print -quit) ]]; then
  exit
fi
# Moved into place when it is whole: two test runs may build at once.
work=$(mktemp "$library.XXXXXX")
trap 'rm -f "$work"' EXIT
"${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -shared -fPIC -o "$work" "$here"/fakecam/*.c -ldl -lpthread
chmod 755 "$work"
mv "$work" "$library"
