#!/bin/sh
# Sets up all that the tests need and passes all of them; the last line counts them.
#
# On Debian as root missing packages are installed and missing images are made from packages;
# elsewhere the script says what is missing. Needs Docker and Rust. `tests/run.sh setup` stops
# before the tests.
set -eu
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
fail() { echo "error: $1" >&2; shift; for hint; do echo "hint: $hint" >&2; done; exit 1; }
root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; }

say "What the tests need"
# A program and the Debian package it is in.
packages=
need() { command -v "$1" > /dev/null || packages="$packages $2"; }
need cc build-essential; need python3 python3; need restic restic; need jq jq; need debootstrap debootstrap
need apt-file apt-file; need patch patch; need diff diffutils; need zstd zstd; need curl curl
need xz xz-utils; need strace strace; need ssh openssh-client; need pgrep procps; need script bsdutils
need podman "podman netavark"
[ -x /usr/sbin/sshd ] || packages="$packages openssh-server"
# No program is in this one.
[ -e /usr/share/bash-completion/bash_completion ] || packages="$packages bash-completion"
if [ -n "$packages" ]; then
  root_on_debian || fail "these Debian packages are missing:$packages" "sudo apt-get install$packages"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages > /dev/null
fi
command -v docker > /dev/null || fail "there is no \`docker\` here" "sudo apt-get install docker.io docker-cli"
docker version > /dev/null 2>&1 || fail "Docker does not answer" "sudo systemctl start docker"
command -v cargo > /dev/null || fail "there is no \`cargo\` here" "https://rustup.rs installs it"
if ! ls /var/lib/apt/lists/*_main_Contents-* > /dev/null 2>&1; then
  root_on_debian || fail "the list of all files in Debian's packages is missing" "sudo apt-file update"
  apt-file update > /dev/null
fi

say "Images"
while read -r suite major; do
  docker image inspect "postgres:$major" > /dev/null 2>&1 && continue
  root_on_debian || fail "the image postgres:$major is missing" "sudo tests/images/make-pg-image.sh $suite $major"
  echo "postgres:$major is made from $suite's packages"
  tests/images/make-pg-image.sh "$suite" "$major" > /dev/null < /dev/null
done << 'IMAGES'
bullseye 13
bookworm 15
pypi 16
trixie 17
forky 18
IMAGES
for layout in busybox bitnami readonly; do
  docker image inspect "pgbackup-layout:$layout" > /dev/null 2>&1 || { tests/images/layouts/build.sh; break; }
done
say "S3 server"
tests/s3/server.sh || echo "without it the tests on S3 are skipped, and fail where CI is set"
[ "${1:-}" != setup ] || exit 0

passed=0 failed=0 results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
step() {
  say "$1"; shift
  if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $*"; fi
}
count() { grep -Eo "[0-9]+ $1" "$results/log" | awk '{ n += $1 } END { print n + 0 }'; }
tests() {
  say "Tests"
  # Whatever the runner's own status says, a line that counts must be there.
  if command -v cargo-nextest > /dev/null; then
    { cargo nextest run --workspace --no-fail-fast 2>&1 && touch "$results/ok"; } | tee "$results/all"
    grep -a 'Summary \[' "$results/all" | tail -n 1 > "$results/log"
  else
    { cargo test --workspace --no-fail-fast -- --test-threads 2 2>&1 && touch "$results/ok"; } | tee "$results/all"
    grep -a '^test result:' "$results/all" > "$results/log"
  fi
  passed=$((passed + $(count passed)))
  failed=$((failed + $(count failed) + $(count 'timed out')))
  [ -e "$results/ok" ] || [ "$failed" -gt 0 ] || failed=1
}

step "Format" cargo fmt --all --check
step "Lints" cargo clippy --workspace --all-targets --quiet -- -D warnings
step "Documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
step "Plugin" cargo build --quiet -p docker-pgbackup
tests

echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
