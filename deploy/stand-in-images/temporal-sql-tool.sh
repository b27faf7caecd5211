#!/bin/sh
# Creates the databases, as the real one does, and lays out no tables: Temporal's development server has its own.
set -eu
export PGPASSWORD="${SQL_PASSWORD:?}"
: "${SQL_PLUGIN:?}"
sql() { psql -qtA -v ON_ERROR_STOP=1 -h "${SQL_HOST:?}" -p "${SQL_PORT:?}" -U "${SQL_USER:?}" "$@"; }

[ "$1" = --db ]
if [ "$3" = create ]; then
  [ "$(sql -d postgres -c "SELECT 1 FROM pg_database WHERE datname = '$2'")" = 1 ] || sql -d postgres -c "CREATE DATABASE $2"
else
  sql -d "$2" -c "SELECT 1" > /dev/null
fi
