#!/bin/sh
# server.sh: prints the path of a Versity S3 Gateway, the S3 server that the tests run.
#
# Taken is the first of: PGBACKUP_TEST_S3_SERVER, `versitygw` on the PATH, what this script made
# before, an archive in ../shared/s3 beside the project or in PGBACKUP_TEST_S3_ARCHIVE, and what
# Go builds from the module.
set -eu
cd "$(dirname "$0")/../.."
version=v1.8.0
if [ -n "${PGBACKUP_TEST_S3_SERVER:-}" ]; then echo "$PGBACKUP_TEST_S3_SERVER"; exit; fi
if command -v versitygw; then exit; fi
folder=${CARGO_TARGET_DIR:-$PWD/target}/s3-server
made=$folder/versitygw-$version
if [ -x "$made" ]; then echo "$made"; exit; fi
mkdir -p "$folder"
# Tests that come at once each make their own, and the last one's counts.
new=$folder/new.$$
trap 'rm -rf "$new"' EXIT
archive=${PGBACKUP_TEST_S3_ARCHIVE:-../shared/s3/bin/versitygw.xz}
if [ -e "$archive" ] && command -v xz > /dev/null; then
  xz -dc "$archive" > "$new"
elif command -v go > /dev/null; then
  mkdir "$new"
  GOBIN=$new/bin go install "github.com/versity/versitygw/cmd/versitygw@$version" >&2
  mv "$new/bin/versitygw" "$new.built"; rm -rf "$new"; mv "$new.built" "$new"
else
  echo "no S3 server: neither versitygw nor Go to build it with is installed" >&2
  echo "hint: install Go 1.21 or later, or set PGBACKUP_TEST_S3_SERVER to the program of a Versity S3 Gateway" >&2
  exit 1
fi
chmod +x "$new"
mv "$new" "$made"
echo "$made"
