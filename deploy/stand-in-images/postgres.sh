#!/bin/sh
# PostgreSQL behind the variables of the image it stands for. As there, a new database is laid out by a server that
# answers on its socket alone; STAND_IN_SETUP_S makes that take longer.
set -eu
: "${POSTGRES_USER:?}" "${POSTGRES_PASSWORD:?}"
database=${POSTGRES_DB:-$POSTGRES_USER}
data=/var/lib/postgresql/data/cluster
as_postgres() { setpriv --reuid 999 --regid 999 --clear-groups "$@"; }

mkdir -p "$data" /run/postgresql
chown postgres "$data" /run/postgresql
chmod 700 "$data"
if [ ! -e "$data/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" > /run/postgresql/password
  chown postgres /run/postgresql/password
  as_postgres initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile /run/postgresql/password \
    --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8
  rm /run/postgresql/password
  as_postgres pg_ctl -D "$data" -w -o "-c listen_addresses='' -c unix_socket_directories=/run/postgresql" start
  [ "$database" = postgres ] || createdb -h /run/postgresql -U "$POSTGRES_USER" "$database"
  sleep "${STAND_IN_SETUP_S:-3}"
  as_postgres pg_ctl -D "$data" -m fast -w stop
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
fi
exec setpriv --reuid 999 --regid 999 --clear-groups postgres -D "$data" \
  -c listen_addresses='*' -c unix_socket_directories=/run/postgresql
