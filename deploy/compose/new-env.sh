#!/bin/sh
# Passwords and keys for docker-compose.yml, drawn anew and printed: sh deploy/compose/new-env.sh > .env
set -eu

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64; }

echo "# Secrets of this installation. Contacts sealed with a lost CONTACT_KEY_K1 cannot be read again."
for name in POSTGRES_PASSWORD \
  INGESTION_OWNER INGESTION_WORKER INGESTION_API \
  SCORING_OWNER SCORING_WORKER SCORING_API \
  OUTREACH_OWNER OUTREACH_WORKER OUTREACH_API; do
  echo "$name=$(password)"
done
echo "CONTACT_KEY_K1=$(key)"
echo "CONTACT_INDEX_KEY=$(key)"
