#!/usr/bin/env bash
# Builds what reads the screen, and what notes when a film is read, into target/bench, each where it is older than its source.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../../target}/bench

mkdir -p "$out"

# build SOURCE FILE FLAGS…
build() {
  local source=$here/$1 file=$out/$2
  shift 2
  [[ ! -e $file || $source -nt $file || $here/build.sh -nt $file ]] || return 0
  "${CC:-cc}" -std=gnu17 -O2 -Wall -Wextra -Werror -o "$file.new" "$source" "$@"
  mv "$file.new" "$file"
}

build screen.c screen -lX11
build clock.c clock.so -shared -fPIC -ldl -lpthread
