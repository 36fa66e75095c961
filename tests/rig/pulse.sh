#!/bin/sh
# A private PulseAudio server with a virtual microphone and a virtual speaker, for tests.
#
#   pulse.sh up NAME DIR    starts it, waits until sound flows, writes what programs need to DIR/env
#   pulse.sh down DIR       stops it; DIR/log stays
#
# It needs neither root nor D-Bus nor hardware, works as root too, and touches no other server of the machine.
#
#   source  mic             the microphone that programs open; what is played into the sink `mic_in` is heard in it
#   sink    spk             the speaker that programs open; what they play can be recorded from `spk.monitor`
#
# After `up`:  . DIR/env; paplay --device=mic_in speech.wav; parec --device=spk.monitor heard.wav
set -eu

usage() {
    echo "usage: pulse.sh up NAME DIR | down DIR" >&2
    exit 2
}

fail() {
    echo "pulse.sh: $*" >&2
    exit 1
}

need() {
    for tool in pulseaudio pactl parec; do
        command -v "$tool" >/dev/null || fail "$tool is missing: apt-get install pulseaudio pulseaudio-utils"
    done
}

write_configuration() {
    cat >"$dir/default.pa" <<END
.fail
load-module module-native-protocol-unix socket=$socket auth-anonymous=1
load-module module-null-sink sink_name=spk rate=48000 channels=2 sink_properties=device.description=Speaker-$name
load-module module-null-sink sink_name=mic_in rate=48000 channels=1 channel_map=mono sink_properties=device.description=MicrophoneInput-$name
load-module module-remap-source source_name=mic master=mic_in.monitor channels=1 channel_map=mono source_properties=device.description=Microphone-$name
set-default-sink spk
set-default-source mic
END
    printf 'autospawn = no\nenable-shm = no\n' >"$dir/client.conf"
    # Programs that only know ALSA find the same devices.
    cat >"$dir/asound.conf" <<END
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse server "unix:$socket" hint { show on description "Default" } }
ctl.!default { type pulse server "unix:$socket" }
END
    cat >"$dir/env" <<END
export PULSE_SERVER=unix:$socket
export PULSE_CLIENTCONFIG=$dir/client.conf
export ALSA_CONFIG_PATH=$dir/asound.conf
END
}

start_server() {
    # Its own runtime and state folders keep it apart from the person's server. Real-time scheduling and shared memory are
    # not for everybody to have, and a test must not depend on them.
    env -u PULSE_SERVER -u DISPLAY -u DBUS_SESSION_BUS_ADDRESS \
        XDG_RUNTIME_DIR="$dir/run" PULSE_RUNTIME_PATH="$dir/run" PULSE_STATE_PATH="$dir/state" PULSE_CONFIG_PATH="$dir" \
        pulseaudio -n --daemonize=no --use-pid-file=no --exit-idle-time=-1 --realtime=no --high-priority=no \
        --disable-shm=yes --log-target="file:$dir/log" --file="$dir/default.pa" </dev/null >/dev/null 2>&1 &
    server=$!
    echo "$server" >"$dir/pids"
    tries=0
    until pactl info >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || fail "the server ended: $(tail -n 5 "$dir/log" 2>/dev/null)"
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "the server does not answer: $(tail -n 5 "$dir/log" 2>/dev/null)"
        sleep 0.05
    done
}

# A null sink has no clock of its own: it renders as much at once as its least patient client allows. With no client that is
# two seconds, and who then begins to record hears nothing for up to two seconds and gets them in a burst. So each sink has
# one reader that asks for 10 ms, for as long as the server runs.
start_clocks() {
    for sink in spk mic_in; do
        parec --latency-msec=10 --raw --device="$sink.monitor" </dev/null >/dev/null 2>&1 &
        echo "$!" >>"$dir/pids"
    done
    # The two seconds that may have begun before must be over: then there are 10 ms to read.
    for source in spk.monitor mic; do
        timeout 10 parec --latency-msec=10 --raw --device="$source" </dev/null 2>/dev/null | head -c 480 >/dev/null
    done
}

up() {
    need
    name=$1
    mkdir -p "$2/run" "$2/state"
    chmod 700 "$2/run" "$2/state"
    dir=$(cd "$2" && pwd)
    socket=$dir/run/native
    [ "${#socket}" -lt 108 ] || fail "$socket is too long for a socket's path: use a shorter DIR"
    write_configuration
    # shellcheck source=/dev/null
    . "$dir/env"
    start_server
    start_clocks
}

# A process that ended and that nobody has waited for yet does not run.
runs() {
    state=$(ps -o stat= -p "$1") && [ "${state#Z}" = "$state" ]
}

down() {
    [ -f "$1/pids" ] || fail "$1 holds no server"
    # Newest first: readers before what they read.
    for pid in $(sort -rn "$1/pids"); do
        kill "$pid" 2>/dev/null || continue
        while runs "$pid"; do sleep 0.02; done
    done
    rm -rf "$1/run" "$1/pids"
}

case "${1-}" in
up) [ $# -eq 3 ] || usage; up "$2" "$3" ;;
down) [ $# -eq 2 ] || usage; down "$2" ;;
*) usage ;;
esac
