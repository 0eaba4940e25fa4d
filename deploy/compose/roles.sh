#!/bin/sh
# The first start of the postgres container: databases and roles, with the passwords of the environment.
set -eu

said=$(mktemp)
for role in ingestion_owner ingestion_worker ingestion_api ingestion_purge \
  scoring_owner scoring_worker scoring_api scoring_purge \
  outreach_owner outreach_worker outreach_api outreach_purge; do
  name=$(echo "$role" | tr '[:lower:]' '[:upper:]')
  eval "echo \"\\\\set $role \$$name\"" >> "$said"
done
psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -f "$said" -f /rapport/roles.sql
rm "$said"
