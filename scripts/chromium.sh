#!/bin/sh
# Prints the path of the Chromium or Chrome to test with and to measure against: the one that CHROMIUM names, or else the first
# that is installed. Status 1 where there is none.
if [ -n "${CHROMIUM-}" ]; then
    command -v "$CHROMIUM" && exit
    echo "parlor: CHROMIUM says $CHROMIUM, which cannot be run" >&2
    exit 1
fi
for name in chromium google-chrome google-chrome-stable; do
    command -v "$name" && exit
done
exit 1
