#!/bin/sh
# Builds `docker pgbackup` and puts it where docker looks for plugins.
#
#   ./install.sh              for this user: ~/.docker/cli-plugins
#   PREFIX=/usr/local/lib/docker ./install.sh     for all users
set -eu
cd "$(dirname "$0")"

need() { # PROGRAM, what to do
  command -v "$1" > /dev/null || { echo "error: \`$1\` is needed to build pgbackup" >&2; echo "hint: $2" >&2; exit 1; }
}
[ ! -r "${CARGO_HOME:-$HOME/.cargo}/env" ] || . "${CARGO_HOME:-$HOME/.cargo}/env"
need cargo "install Rust 1.91 or later, see https://rustup.rs"
need cc "install a C compiler: \`sudo apt-get install gcc\` on Debian and Ubuntu"

plugins=${PREFIX:-${DOCKER_CONFIG:-$HOME/.docker}}/cli-plugins
echo "building; the first time takes some minutes"
cargo build --quiet --release --locked --package docker-pgbackup
mkdir -p "$plugins"
# Written beside and renamed, so that a plugin that runs just now keeps its file.
cp "${CARGO_TARGET_DIR:-target}/release/docker-pgbackup" "$plugins/.docker-pgbackup.new"
mv "$plugins/.docker-pgbackup.new" "$plugins/docker-pgbackup"
echo "installed: $plugins/docker-pgbackup"

if command -v docker > /dev/null && ! docker pgbackup --help > /dev/null 2>&1; then
  echo "error: docker does not run the plugin" >&2
  docker pgbackup --help >&2 || :
  exit 1
fi
