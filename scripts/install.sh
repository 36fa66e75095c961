#!/usr/bin/env bash
# Installs what is missing to build, run or test Parlor on Debian and Ubuntu; installs nothing that is there.
# Usage: scripts/install.sh run | demo | test | sound
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:-run}

build=(build-essential pkg-config cmake nasm clang libclang-dev curl ca-certificates
    libwebkit2gtk-4.1-dev libasound2-dev libvpx-dev)
# WebKitGTK decodes VP8 with GStreamer's plugins; ALSA reaches PulseAudio and PipeWire through its own.
run=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good libasound2-plugins)
# A screen without a monitor, and a driver for the window.
demo=(xvfb webkit2gtk-driver)
# Sound cards, a message bus, networks and a TURN server that belong to the tests alone.
test=(dbus iproute2 pulseaudio pulseaudio-utils sox procps coturn)
# Voices, and what measures them, for the bench of sound: all that tests need as well.
sound=(flite python3-venv python3-dev)

say() { printf 'parlor: %s\n' "$*" >&2; }

# True when version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

require_rust() {
    local needed have
    needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(rustc --version 2>/dev/null | cut -d ' ' -f 2 || true)
    if [ -z "$have" ]; then
        say "Rust $needed or newer is needed and there is none. Get it with:"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
        return 1
    fi
    at_least "$have" "$needed" && return
    say "Rust $needed or newer is needed; this is $have. Get it with:"
    say "    rustup update stable    (rustup itself: https://rustup.rs)"
    return 1
}

# True when version $1 is in range $2, such as `^20.19 || >=22.12`.
in_range() {
    local part least
    for part in ${2//||/ }; do
        least=${part#[>^]}
        least=${least#=}
        case $part in ^*) [ "${1%%.*}" = "${least%%.*}" ] || continue ;; esac
        at_least "$1" "$least" && return
    done
    return 1
}

require_node() {
    local needed words have
    needed=$(sed -n '/"engines"/,/}/s/.*"node": "\(.*\)".*/\1/p' ui/package.json)
    words=$(sed -E 's/(\^|>=)(\S+)/\2+/g; s/ \|\| / or /g' <<<"$needed")
    have=$(node --version 2>/dev/null | tr -d v || true)
    if [ -z "$have" ]; then
        say "Node.js $words is needed and there is none. Get it with:"
    elif ! in_range "$have" "$needed"; then
        say "Node.js $words is needed; this is $have. Get it with:"
    elif ! command -v npm >/dev/null; then
        say "npm is needed beside Node.js and there is none. Get both with:"
    else
        return 0
    fi
    say "    curl -fsSL https://deb.nodesource.com/setup_22.x | sudo -E bash - && sudo apt-get install -y nodejs"
    return 1
}

# A second browser to call with. Any that is there will do; in Debian it is a package, which is installed with the others.
require_chromium() {
    scripts/chromium.sh >/dev/null && return
    [ -z "${CHROMIUM-}" ] || return 1
    if [ "$(sed -n 's/^ID=//p' /etc/os-release 2>/dev/null)" != ubuntu ]; then
        test+=(chromium)
        return
    fi
    say "Chromium or Chrome is needed and there is none; Ubuntu has no package of Chromium. Get Chrome with:"
    say "    curl -fLO https://dl.google.com/linux/direct/google-chrome-stable_current_amd64.deb && sudo apt-get install -y ./google-chrome-stable_current_amd64.deb"
    say "or name what is installed elsewhere: export CHROMIUM=/path/to/chrome"
    return 1
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    local wanted=("${build[@]}" "${run[@]}") missing=() package
    [ "$purpose" = run ] || wanted+=("${demo[@]}")
    [[ "$purpose" != @(test|sound) ]] || wanted+=("${test[@]}")
    [ "$purpose" != sound ] || wanted+=("${sound[@]}")
    if ! command -v dpkg-query >/dev/null; then
        say "this is neither Debian nor Ubuntu: the packages have to be there already. In Debian they are called:"
        say "    ${wanted[*]}"
        return
    fi
    for package in "${wanted[@]}"; do installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -eq 0 ] && return
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "some packages are missing. As root, run:"
            say "    apt-get install -y --no-install-recommends ${missing[*]}"
            return 1
        fi
        root=(sudo)
    fi
    say "installing with apt-get: ${missing[*]}"
    "${root[@]}" apt-get update -q >&2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >&2
    # Tests start a TURN server of their own; this machine need not become one for everybody.
    if [[ " ${missing[*]} " = *" coturn "* ]] && command -v systemctl >/dev/null; then
        "${root[@]}" systemctl disable --now coturn >&2 || say "the service of coturn could not be turned off"
    fi
}

case $purpose in
run | demo | test | sound) ;;
*)
    say "usage: scripts/install.sh run | demo | test | sound"
    exit 2
    ;;
esac
good=yes
require_rust || good=no
require_node || good=no
if [[ "$purpose" = @(test|sound) ]]; then require_chromium || good=no; fi
[ $good = yes ] || exit 1
install_packages
