#!/bin/sh
# Starts PostgreSQL; on an empty PGDATA makes the cluster first. What busybox can do, no more.
set -eu
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  # su ends up as the program itself, so that PostgreSQL is process 1.
  exec su -s /bin/sh postgres -c 'exec "$0" "$@"' "$0" "$@"
fi
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" > "$PGDATA.password"
  initdb --username="${POSTGRES_USER:-postgres}" --pwfile="$PGDATA.password"
  rm "$PGDATA.password"
  printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
  echo 'PostgreSQL init process complete; ready for start up.'
else
  echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
fi
exec "$@"
