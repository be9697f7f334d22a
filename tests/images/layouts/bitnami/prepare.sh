# Moves the programs, makes an empty cluster to copy, and forgets the user 1001 again.
#
# initdb wants an entry in passwd for its user (Bitnami lends it one with nss_wrapper), so the
# cluster is made while there is one. Every container of this image has its system identifier.
set -eu
programs=$(dirname "$(readlink -f "$(command -v postgres)")")
mkdir -p /opt/bitnami/postgresql/conf /opt/bitnami/postgresql/bin /bitnami/postgresql
for program in "$programs"/*; do
  ln -s "$program" /opt/bitnami/postgresql/bin/
done
useradd --uid 1001 --gid 0 --no-create-home bitnami
mkdir /opt/bitnami/postgresql/template
chown 1001:0 /opt/bitnami/postgresql/template /opt/bitnami/postgresql/conf /bitnami/postgresql
setpriv --reuid=1001 --regid=0 --clear-groups \
  "$programs/initdb" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --pgdata=/opt/bitnami/postgresql/template
userdel bitnami
cd /opt/bitnami/postgresql
sed "s!^#*\(unix_socket_directories\) .*!\1 = '/tmp'!" template/postgresql.conf > conf/postgresql.conf
printf '%s\n' 'local all all scram-sha-256' 'host all all 0.0.0.0/0 scram-sha-256' 'host all all ::/0 scram-sha-256' > conf/pg_hba.conf
rm template/postgresql.conf template/pg_hba.conf
chown 1001:0 conf/postgresql.conf conf/pg_hba.conf
rm /prepare.sh
