#!/bin/sh
# without.sh FAULT...: takes a defence out, builds, and succeeds only if the fault's test then
# fails. `without.sh all` does so for every patch, one after the other, with a line for each.
#
# tests/without/FAULT.patch takes the defence out. Its first line, `# test: BINARY NAME`, says
# which test must notice, and its second, `# says: WORDS`, what must stand in that test's report:
# a test that fails for another reason has not noticed anything. The sources themselves are not touched: one copy of them is kept in the
# folder of built programs, is patched there, and is built into a folder of its own, so that only
# what a patch changes is built again and the real program stays where it is.
set -eu
cd "$(dirname "$0")/../.."
[ $# -gt 0 ] || { echo "error: which fault, like F42, or \`all\`?" >&2; exit 1; }
[ "$1" != all ] || { set --; for patch in tests/without/*.patch; do set -- "$@" "$(basename "$patch" .patch)"; done; }
for fault; do
  [ -e "tests/without/$fault.patch" ] && continue
  echo "error: there is no tests/without/$fault.patch" >&2
  echo "hint: there are: $(cd tests/without && ls ./*.patch | tr '\n' ' ')" >&2
  exit 1
done

built=${CARGO_TARGET_DIR:-$PWD/target}/without
copy=$built/source log=$built/log
mkdir -p "$copy"

# Makes the copy what the sources are. A file that has not changed keeps its time, so that cargo
# builds nothing for it.
refresh() {
  git ls-files --cached --others --exclude-standard | while read -r file; do
    [ -e "$file" ] || { rm -f "$copy/$file"; continue; }
    cmp -s "$file" "$copy/$file" && continue
    mkdir -p "$copy/$(dirname "$file")"
    rm -f "$copy/$file"
    cp "$file" "$copy/$file"
  done
}

# What a person wants to know of a fault that was not noticed, and a status that says so.
unnoticed() {
  tail -n 40 "$log"
  echo "$fault  NOT NOTICED  $1"
  return 1
}

without() {
  { read -r _ _ binary name; read -r _ _ words; } < "tests/without/$fault.patch"
  refresh
  patch --directory "$copy" --strip 1 --quiet < "tests/without/$fault.patch" > "$log" 2>&1 ||
    { unnoticed "the patch does not apply"; return; }
  CARGO_TARGET_DIR="$built" cargo build --quiet --manifest-path "$copy/Cargo.toml" -p docker-pgbackup \
    > "$log" 2>&1 || { unnoticed "the program without the defence cannot be built"; return; }
  if PGBACKUP_TEST_PLUGIN="$built/debug/docker-pgbackup" CI=true \
    cargo test --quiet -p pgbackup-tests --test "$binary" -- --exact "$name" > "$log" 2>&1; then
    unnoticed "$binary: $name still passes"
    return
  fi
  # A test that could not run at all has not noticed anything.
  grep -q "^test result: FAILED. 0 passed; 1 failed" "$log" ||
    { unnoticed "$binary: $name did not run"; return; }
  grep -qF -- "$words" "$log" ||
    { unnoticed "$binary: $name fails, and does not say: $words"; return; }
  echo "$fault  noticed  $binary: $name"
  grep -A 2 "panicked at" "$log" | sed 's/^/     /' | cut -c -200 | head -n 3
}

failed=0
for fault; do
  without || failed=$((failed + 1))
done
[ "$failed" = 0 ] || { echo "error: $failed of $# faults were not noticed" >&2; exit 1; }
