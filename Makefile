# `make run` opens the window, `make test` checks everything, `make demo` shows a call between two windows.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
.NOTPARALLEL:

TAURI_DRIVER := 2.1.0
TARPAULIN := 0.37.5

ui_sources := $(shell find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -print 2>/dev/null)

.PHONY: run test demo lint bench bench-call bench-quality bench-sound bench-faults deb coverage types binaries libraries tools sound-tools driver rig

## Opens the window. `make run ARGS='LINK'` offers a room link in it.
run: libraries ui/dist/index.html binaries
	target/debug/parlor $(ARGS)

## Everything: cargo, the window's code, browsers, the real window. Ends with `N passed, N failed`.
test: tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig binaries
	node scripts/test.mjs

## A server and two windows in one call, with synthetic cameras and microphones; screenshots go to target/demo.
demo: driver ui/dist/index.html binaries
	node tests/desktop/demo.mjs

## Formatting, lints, types.
lint: libraries ui/dist/index.html
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --quiet -p parlor-protocol --test typescript
	cd ui && npm run check

## Writes the window's TypeScript types anew from the Rust ones.
types:
	PARLOR_WRITE_TYPES=1 cargo test --quiet -p parlor-protocol --test typescript

## Every comparison with Chromium in one go, about an hour: the three below. Needs root. `make bench ARGS='--runs 1'`.
bench: tools sound-tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig
	benches/run.sh $(ARGS)

## What a call costs; glass to glass needs root. `make bench-call ARGS='--runs 1 --only mesh,encode'`; `ARGS=--list` names all;
## `--threads` says where the time goes.
bench-call: tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig
	benches/call/run.sh $(ARGS)

## How calls begin, and what they make of links that change and lose, beside Chromium: needs root.
## `make bench-quality ARGS='--runs 3 --only join,steps,loss'`; `--story` tells every second.
bench-quality: tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig
	benches/quality/run.sh $(ARGS)

## How calls sound, beside Chromium: needs root. `make bench-sound ARGS='--only delay'`; `ARGS=--list` names all.
bench-sound: sound-tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig
	benches/sound/run.sh $(ARGS)

## What faults of the network cost, beside Chromium: needs root. `make bench-faults ARGS='--runs 3 --only change,rebinding'`;
## `ARGS=--list` names all; `--reference N`: how many runs Chromium makes where no bar names it (3).
bench-faults: tools ui/dist/index.html tests/browser/node_modules/.package-lock.json rig
	benches/faults/run.sh $(ARGS)

## The Debian package, in target/release/bundle/deb.
deb: libraries ui/dist/index.html
	scripts/deb.sh

## How many lines of the core its own tests run; fails under 95 %. Fewer seeds than `make test` has: the rest repeats lines.
coverage: target/tools/bin/cargo-tarpaulin
	PARLOR_SIM_RUNS=12 CARGO_PROFILE_DEV_OPT_LEVEL=0 target/tools/bin/cargo-tarpaulin tarpaulin -p parlor-call --lib \
	    --engine ptrace --timeout 900 --target-dir target/coverage --out Stdout --fail-under 95 \
	    --include-files 'src-tauri/crates/call/src/*' --exclude-files '*/tests/*' '*/tests.rs' '*/sim/*'

# All of them in one build: the features of a dependency are the sum over what is built together, and a different
# sum would compile it again.
binaries:
	cargo build --workspace --bins

libraries:
	scripts/install.sh run

tools: driver
	scripts/install.sh test

sound-tools:
	scripts/install.sh sound

driver: target/tools/bin/tauri-driver
	scripts/install.sh demo

target/tools/bin/tauri-driver:
	scripts/install.sh demo
	cargo install tauri-driver --version $(TAURI_DRIVER) --locked --root target/tools

target/tools/bin/cargo-tarpaulin:
	cargo install cargo-tarpaulin --version $(TARPAULIN) --locked --root target/tools

ui/dist/index.html: ui/node_modules/.package-lock.json $(ui_sources)
	cd ui && npm run build

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund

# Where something in it is older than its sources.
rig:
	tests/rig/build.sh
