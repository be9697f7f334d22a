# `just` lists the recipes; .ci/run uses the same ones' commands.
set positional-arguments

[private]
default:
    @just --list --unsorted

# everything a change must pass, as CI runs it
test:
    tests/run.sh

# format and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

# tests that need no Docker
unit:
    cargo test -p pgbackup-wire -p pgbackup-mover -p pgbackup-engine
    cargo test -p pgbackup-tests --test architecture

# live tests, or those whose name contains FILTER
live FILTER="":
    cargo build -p docker-pgbackup
    cargo nextest run -p pgbackup-tests --no-fail-fast "$1"

# live tests with many more rounds of random kills, flips and moving tables
soak ROUNDS="100":
    cargo build -p docker-pgbackup
    PGBACKUP_TEST_ROUNDS="$1" PGBACKUP_TEST_SEED="$(date +%s)" cargo nextest run --profile soak -p pgbackup-tests --test kills --test plugin_kills --test repository_kills --test container_faults --test moving_tables --test repository --test streams --test silence --test this_side --test side_by_side
    PROPTEST_CASES=1000000 cargo test --release -p pgbackup-wire

# speed and memory as ratios to what a person would type
bench ROUNDS="5":
    cargo build --release -p docker-pgbackup
    tests/bench/bench.py --runs "$1"

# build without the defence against a fault and show that its test fails
without FAULT:
    tests/without/without.sh "$1"

# the same for every fault that has a patch, one after the other, a line for each
without-all:
    tests/without/without.sh all

# licences, sources and bans of what we depend on
deny:
    cargo deny check bans licenses sources

# what the tests need, without running them
setup:
    tests/run.sh setup
