#!/bin/sh
# without.sh FAULT: takes a defence out, builds, and succeeds only if the fault's test then fails.
#
# tests/without/FAULT.patch takes the defence out; its first line, `# test: BINARY NAME`, says
# which test must notice. The sources themselves are not touched: a copy is patched and built.
set -eu
cd "$(dirname "$0")/../.."
fault=${1:?which fault, like F42}
patch=$PWD/tests/without/$fault.patch
[ -e "$patch" ] || { echo "error: there is no $patch" >&2; echo "hint: there are: $(cd tests/without && ls ./*.patch | tr '\n' ' ')" >&2; exit 1; }
read -r _ _ binary name < "$patch"
target=${CARGO_TARGET_DIR:-$PWD/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
patch --directory "$copy" --strip 1 --quiet < "$patch"
echo "building without the defence against $fault"
CARGO_TARGET_DIR="$target" cargo build --quiet --manifest-path "$copy/Cargo.toml" -p docker-pgbackup
cp "$target/debug/docker-pgbackup" "$copy/docker-pgbackup-without"
# The folder of built programs gets the real one back.
cargo build --quiet -p docker-pgbackup
cargo test --quiet -p pgbackup-tests --no-run

echo "running $binary: $name, which must fail"
if PGBACKUP_TEST_PLUGIN="$copy/docker-pgbackup-without" CI=true cargo test --quiet -p pgbackup-tests --test "$binary" -- --exact "$name" > "$copy/log" 2>&1; then
  tail -n 20 "$copy/log"
  echo "error: without the defence against $fault the test $name still passes" >&2
  exit 1
fi
# A test that could not run at all has not noticed anything.
grep -q "^test result: FAILED. 0 passed; 1 failed" "$copy/log" || { cat "$copy/log"; exit 1; }
grep -A 6 "panicked at" "$copy/log" | head -n 12
echo "good: without the defence against $fault the test fails"
