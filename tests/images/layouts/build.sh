#!/bin/sh
# build.sh [BASE]: makes the images pgbackup-layout:busybox, :bitnami and :readonly from BASE.
set -eu
base=${1:-postgres:17}
here=$(cd "$(dirname "$0")" && pwd)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

busybox=$(command -v busybox || :)
# Only the static one runs in an image whose libraries are another release's.
if [ -z "$busybox" ] || ldd "$busybox" > /dev/null 2>&1; then
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static > "$context/apt.log" 2>&1; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox-static
  fi
  busybox=$(command -v busybox)
fi

for layout in busybox bitnami readonly; do
  cp -r "$here/$layout" "$context/"
  [ "$layout" != busybox ] || cp "$busybox" "$context/busybox/busybox"
  # The classic builder: BuildKit's is a plugin of its own that not every machine has.
  DOCKER_BUILDKIT=0 docker build --quiet --build-arg "BASE=$base" --tag "pgbackup-layout:$layout" "$context/$layout" > /dev/null 2> "$context/build.log" \
    || { cat "$context/build.log" >&2; exit 1; }
  echo "image pgbackup-layout:$layout from $base"
done
