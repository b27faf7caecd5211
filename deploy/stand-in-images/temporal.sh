#!/bin/sh
# Temporal's development server behind the variables of the image it stands for. It keeps its state in SQLite, and of
# PostgreSQL it only asks whether the two databases are there.
set -eu
: "${NUM_HISTORY_SHARDS:?}" "${DYNAMIC_CONFIG_FILE_PATH:?}"
[ "$DB" = postgres12 ]
export PGPASSWORD="${POSTGRES_PWD:?}"
for database in temporal temporal_visibility; do
  psql -qtA -h "${POSTGRES_SEEDS:?}" -p "${DB_PORT:?}" -U "${POSTGRES_USER:?}" -d "$database" -c "SELECT 1" > /dev/null
done
# "name:" and, below it, "- value: something" become --dynamic-config-value name=something.
settings=$(awk '/^[a-zA-Z.]+:/ { name = $1 } /- value:/ { print "--dynamic-config-value " substr(name, 1, length(name) - 1) "=" $3 }' \
  "$DYNAMIC_CONFIG_FILE_PATH")
# shellcheck disable=SC2086  # words on purpose
exec temporal server start-dev --headless --ip "${BIND_ON_IP:?}" --port 7233 --metrics-port "${PROMETHEUS_ENDPOINT##*:}" \
  --db-filename /home/temporal/temporal.db --sqlite-pragma journal_mode=wal --sqlite-pragma synchronous=normal \
  --log-level "${LOG_LEVEL:-warn}" $settings
