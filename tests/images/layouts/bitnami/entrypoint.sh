#!/bin/bash
# Starts PostgreSQL below /bitnami; on an empty volume copies the cluster and sets the password first.
set -eu
data=/bitnami/postgresql/data conf=/opt/bitnami/postgresql/conf
if [ -n "${POSTGRESQL_PASSWORD_FILE-}" ]; then
  POSTGRESQL_PASSWORD=$(< "$POSTGRESQL_PASSWORD_FILE")
fi
if [ ! -s "$data/PG_VERSION" ]; then
  if [ -z "${POSTGRESQL_PASSWORD-}" ]; then
    echo 'POSTGRESQL_PASSWORD or POSTGRESQL_PASSWORD_FILE must be set' >&2
    exit 1
  fi
  cp -r /opt/bitnami/postgresql/template "$data"
  chmod 0700 "$data"
  # Single-user mode wants an entry in passwd, so a server for nobody else sets the password.
  private=$(mktemp -d)
  echo 'local all all trust' > "$private/pg_hba.conf"
  options="-c config_file=$conf/postgresql.conf -c hba_file=$private/pg_hba.conf"
  pg_ctl -D "$data" -s -w -o "$options -c listen_addresses='' -c unix_socket_directories=$private" start
  psql -qX -h "$private" -U postgres -v password="$POSTGRESQL_PASSWORD" <<< "ALTER USER postgres PASSWORD :'password'"
  pg_ctl -D "$data" -s -w stop
  rm -r "$private"
  echo 'PostgreSQL init process complete; ready for start up.'
else
  echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
fi
[ "${1-}" = /opt/bitnami/scripts/postgresql/run.sh ] && shift
exec /opt/bitnami/postgresql/bin/postgres -D "$data" "--config-file=$conf/postgresql.conf" "--hba_file=$conf/pg_hba.conf" \
  --external_pid_file=/tmp/postgresql.pid "$@"
