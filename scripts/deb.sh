#!/usr/bin/env bash
# Builds the Debian package; further arguments go to Tauri's command line interface.
# libvpx's package is called after its interface, which differs between releases: the package needs the one built with.
set -euo pipefail
cd "$(dirname "$0")/.."

# Its major and minor version must be the crate's.
cli=@tauri-apps/cli@2.12.5

vpx=$(dpkg-query -W -f '${Depends}' libvpx-dev | grep -o 'libvpx[0-9]\+' | head -n 1)
depends=("$vpx" "libasound2t64 | libasound2" libasound2-plugins
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good)
list=$(printf '"%s",' "${depends[@]}")
exec npx --yes "$cli" build --bundles deb --config "{\"bundle\":{\"linux\":{\"deb\":{\"depends\":[${list%,}]}}}}" "$@"
