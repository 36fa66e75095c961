#!/usr/bin/env bash
# Builds the test instruments that are written in C into target/rig, each where it is older than its sources.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../target/rig}

mkdir -p "$out"

# build NAME FILE FLAGS…: the sources in folder NAME become FILE.
build() {
  local name=$1 file=$out/$2
  shift 2
  [[ ! -e $file || -n $(find "$here/$name" "$here/build.sh" -newer "$file" -print -quit) ]] || return 0
  # Moved into place when it is whole: two test runs may build at once.
  work=$(mktemp "$file.XXXXXX")
  trap 'rm -f "$work"' EXIT
  "${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -o "$work" "$here/$name"/*.c "$@"
  chmod 755 "$work"
  mv "$work" "$file"
}

for name in fakecam soundfault; do build "$name" "$name.so" -shared -fPIC -ldl -lpthread; done
build net net
build close close -lX11
