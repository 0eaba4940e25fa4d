#!/bin/sh
# Passwords and keys for docker-compose.yml, drawn anew into a file that only its owner reads:
#
#   sh deploy/compose/new-env.sh .env
#
# A file that is there stays as it is: what a lost key has sealed cannot be read again.
set -eu

file=${1:?give the file to write, as in: sh deploy/compose/new-env.sh .env}
umask 077
set -C # no redirection overwrites

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64; }

{
  echo "# Secrets of this installation. What a lost key (…_KEY_K1) has sealed cannot be read again."
  for name in POSTGRES_PASSWORD \
    INGESTION_OWNER INGESTION_WORKER INGESTION_API INGESTION_PURGE \
    SCORING_OWNER SCORING_WORKER SCORING_API SCORING_PURGE \
    OUTREACH_OWNER OUTREACH_WORKER OUTREACH_API OUTREACH_PURGE; do
    echo "$name=$(password)"
  done
  for name in INGESTION SCORING OUTREACH; do
    echo "${name}_RECORD_KEY_K1=$(key)"
  done
  echo "CURSOR_SECRET=$(password)"
  echo "CONTACT_KEY_K1=$(key)"
  echo "CONTACT_INDEX_KEY=$(key)"
} > "$file"
