#!/bin/bash
# make-pg-image.sh SUITE PGVERSION [TAG]: a postgres image like the official one, made from Debian's packages (SUITE pypi: from PyPI's).
# Ends as IMG/image.tar and as docker image postgres:PGVERSION (TAG) unless DOCKER_LOAD=0.
set -eu
SUITE=$1 V=$2 TAG=${3-postgres:$2} K=${K-${TMPDIR:-/tmp}/pgbackup-images}
W=$K/img/$SUITE-$V; R=$W/root
mkdir -p "$W" "$K/img/cache"
T0=$(date +%s)
PKGS=; need() { command -v "$1" > /dev/null || PKGS="$PKGS $2"; }
need debootstrap debootstrap; need python3 python3; need xz xz-utils; need zstd zstd; need gpgv gpgv
[ -z "$PKGS" ] || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PKGS > "$W/host-apt.log" 2>&1; } || { tail "$W/host-apt.log"; exit 1; }
if [ ! -e "$W/rootfs.done" ]; then
  rm -rf "$R"
  KR=/usr/share/keyrings/debian-archive-keyring.gpg
  [ "$SUITE" = pypi ] || [ -e /usr/share/debootstrap/scripts/$SUITE ] || ln -s sid /usr/share/debootstrap/scripts/$SUITE
  NOGPG=; case $SUITE in bookworm|trixie|pypi) ;; *) NOGPG=${NOGPG---no-check-gpg};; esac
  BASE=$SUITE; [ "$SUITE" != pypi ] || BASE=bookworm
  debootstrap $NOGPG --keyring=$KR --variant=minbase --cache-dir=$K/img/cache \
     --include=locales "$BASE" "$R" > "$W/debootstrap.log" 2>&1 || { tail -20 "$W/debootstrap.log"; exit 1; }
  echo "debootstrap: $(($(date +%s)-T0)) s"
  printf '#!/bin/sh\nexit 101\n' > "$R/usr/sbin/policy-rc.d"; chmod +x "$R/usr/sbin/policy-rc.d"
  mkdir -p "$R/etc/postgresql-common"; echo "create_main_cluster = false" > "$R/etc/postgresql-common/createcluster.conf"
  mkdir -p "$R/etc/dpkg/dpkg.cfg.d"; printf 'path-exclude /usr/share/doc/*\npath-exclude /usr/share/man/*\npath-exclude /usr/share/locale/*\n' > "$R/etc/dpkg/dpkg.cfg.d/slim"
  chroot "$R" groupadd -r -g 999 postgres
  chroot "$R" useradd -r -u 999 -g postgres -d /var/lib/postgresql -s /bin/bash postgres
  mkdir -p "$R/var/cache/apt/archives"
  # /proc only for the install (newer suites' scripts want it), in a mount namespace of its own so that none is left behind
  inroot() { unshare -m sh -c 'mount -t proc proc "$1/proc" && shift && exec chroot "$@"' sh "$R" "$R" env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"; }
  inroot apt-get -o Acquire::Check-Valid-Until=false update -qq >/dev/null
  if [ "$SUITE" = pypi ]; then
    # PostgreSQL 16.2 as PyPI's package pgserver carries it: with zlib only (no zstd, lz4, ICU), its socket in /tmp, no contrib
    python3 -m pip download -q --no-deps -d "$W" pgserver==0.1.4; python3 -m zipfile -e "$W"/pgserver-0.1.4-*.whl "$W/wheel"
    mkdir -p "$R/usr/lib/postgresql" "$R/usr/share/postgresql"; cp -r "$W/wheel/pgserver/pginstall" "$R/usr/lib/postgresql/$V"; cp -r "$W/wheel/pgserver.libs" "$R/usr/lib/"
    chmod +x "$R/usr/lib/postgresql/$V/bin/"*; ln -s "../../lib/postgresql/$V/share/postgresql" "$R/usr/share/postgresql/$V"; rm -rf "$W/wheel"
  else
    inroot apt-get install -y -qq --no-install-recommends \
      postgresql-$V postgresql-client-$V ${EXTRA_PKGS-gzip zstd xz-utils} > "$W/apt.log" 2>&1 || { tail -20 "$W/apt.log"; exit 1; }
  fi
  echo "with postgresql-$V: $(($(date +%s)-T0)) s"
  B=/usr/lib/postgresql/$V/bin
  rm -rf "$R"/usr/lib/postgresql/$V/lib/bitcode
  chroot "$R" localedef -i en_US -f UTF-8 en_US.utf8
  sed -ri "s!^#?(listen_addresses)\s*=\s*\S+.*!\1 = '*'!" "$R/usr/share/postgresql/$V/postgresql.conf.sample"
  grep -q "^listen_addresses = '\*'" "$R/usr/share/postgresql/$V/postgresql.conf.sample"
  install -d -o 999 -g 999 -m 3777 "$R/run/postgresql"   # /var/run is a link
  install -d -o 999 -g 999 -m 0755 "$R/var/lib/postgresql"
  install -d -o 999 -g 999 -m 1777 "$R/var/lib/postgresql/data"
  mkdir -p "$R/docker-entrypoint-initdb.d"
  cat > "$R/usr/local/bin/docker-entrypoint.sh" <<'EP'
#!/bin/bash
# Starts PostgreSQL; on an empty PGDATA makes the cluster, the user and the database first.
set -Eeuo pipefail
file_env() { # VAR, VAR_FILE, default
  local v=$1 f=${1}_FILE d=${2-}
  if [ -n "${!v-}" ] && [ -n "${!f-}" ]; then echo "error: both $v and $f are set" >&2; exit 1; fi
  if [ -n "${!v-}" ]; then d=${!v}; elif [ -n "${!f-}" ]; then d=$(<"${!f}"); fi
  export "$v"="$d"; unset "$f"
}
[ "${1-}" ] || set -- postgres
[ "${1#-}" = "$1" ] || set -- postgres "$@"
if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"; chmod 0700 "$PGDATA" || :
  chown -R postgres:postgres "$PGDATA" /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ "$1" = postgres ]; then
  mkdir -p "$PGDATA"; chmod 0700 "$PGDATA" || :
  file_env POSTGRES_PASSWORD; file_env POSTGRES_USER postgres; file_env POSTGRES_DB "$POSTGRES_USER"; file_env POSTGRES_INITDB_ARGS
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD-}" != trust ]; then
      echo "Error: Database is uninitialized and superuser password is not specified." >&2; exit 1
    fi
    ls /docker-entrypoint-initdb.d/ > /dev/null
    eval "initdb --username=\"\$POSTGRES_USER\" --pwfile=<(printf '%s\n' \"\$POSTGRES_PASSWORD\") $POSTGRES_INITDB_ARGS"
    a=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    printf '\nhost all all all %s\n' "$a" >> "$PGDATA/pg_hba.conf"
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
    run() { PGHOST= PGHOSTADDR= psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password --dbname "${DB-$POSTGRES_DB}" "$@"; }
    if [ -z "$(DB=postgres run -tAX -v db="$POSTGRES_DB" <<<"SELECT 1 FROM pg_database WHERE datname = :'db'")" ]; then
      DB=postgres run -v db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
    fi
    for f in /docker-entrypoint-initdb.d/*; do
      case $f in
        *.sh) if [ -x "$f" ]; then echo "running $f"; "$f"; else echo "sourcing $f"; . "$f"; fi;;
        *.sql) echo "running $f"; run -f "$f";;
        *.sql.gz) echo "running $f"; gunzip -c "$f" | run;;
        *.sql.xz) echo "running $f"; xzcat "$f" | run;;
        *.sql.zst) echo "running $f"; zstd -dc "$f" | run;;
        *'/*') ;;
        *) echo "ignoring $f";;
      esac
    done
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
    echo; echo 'PostgreSQL init process complete; ready for start up.'; echo
  else
    echo; echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'; echo
  fi
fi
exec "$@"
EP
  chmod 755 "$R/usr/local/bin/docker-entrypoint.sh"
  rm -rf "$R"/var/lib/apt/lists/* "$R"/var/cache/apt/*.bin "$R"/var/cache/apt/archives/*.deb "$R"/var/log/*.log "$R"/var/log/apt \
    "$R"/usr/share/i18n "$R"/usr/share/doc/* "$R"/usr/share/man/* "$R"/usr/share/locale/* "$R/usr/sbin/policy-rc.d"
  chroot "$R" $B/postgres -V > "$W/rootfs.done"
fi
D=/var/lib/postgresql/data VOL=/var/lib/postgresql/data
# the official image from 18 on: PGDATA below the volume
[ "$V" -lt 18 ] || { D=/var/lib/postgresql/$V/docker; VOL=/var/lib/postgresql; }
FULL=$(sed -r 's/.* ([0-9]+(\.[0-9]+)?).*/\1/' "$W/rootfs.done")
python3 "$(dirname "$0")/mkimage.py" "$R" "$W/image.tar" "docker.io/library/$TAG,docker.io/library/postgres:$FULL" "$(cat <<J
{"Entrypoint":["docker-entrypoint.sh"],"Cmd":["postgres"],"ExposedPorts":{"5432/tcp":{}},"StopSignal":"SIGINT",
 "Volumes":{"$VOL":{}},
 "Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/$V/bin","LANG=en_US.utf8",
        "PG_MAJOR=$V","PG_VERSION=$FULL","PGDATA=$D"]}
J
)" > "$W/id"
[ "${DOCKER_LOAD-1}" = 0 ] || docker load -q -i "$W/image.tar"
echo "image $TAG ($FULL): $(stat -c %s "$W/image.tar") bytes, $(($(date +%s)-T0)) s"
