#!/bin/sh
# Passwords and keys for docker-compose.yml, drawn anew into files that only their owner reads:
#
#   sh deploy/compose/new-env.sh .env
#
#   .env                    passwords of the databases, which the compose file fills in
#   .env.keys.<service>     what seals a service's records, and signs its cursors
#   .env.keys.contacts      what seals outreach's contact details
#
# A file that is there stays as it is: what a lost key has sealed cannot be read again.
set -eu

file=${1:?give the file to write, as in: sh deploy/compose/new-env.sh .env}
umask 077
set -C # no redirection overwrites

for each in "$file" "$file".keys.*; do
  if [ -e "$each" ]; then
    echo "$each is there already, and stays as it is" >&2
    exit 1
  fi
done

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key() { head -c 32 /dev/urandom | base64; }

{
  echo "# Passwords of this installation's databases."
  for name in POSTGRES_PASSWORD \
    INGESTION_OWNER INGESTION_WORKER INGESTION_API INGESTION_PURGE \
    SCORING_OWNER SCORING_WORKER SCORING_API SCORING_PURGE \
    OUTREACH_OWNER OUTREACH_WORKER OUTREACH_API OUTREACH_PURGE; do
    echo "$name=$(password)"
  done
} > "$file"

for service in ingestion scoring outreach; do
  {
    echo "# Keys of $service. What a lost one has sealed cannot be read again."
    echo "RAPPORT_RECORD_KEYS={\"k1\":\"$(key)\"}"
    echo "RAPPORT_RECORD_ACTIVE_KEY=k1"
    echo "RAPPORT_CURSOR_SECRET=$(password)"
    if [ "$service" = ingestion ]; then echo "RAPPORT_IDENTITY_KEY=$(key)"; fi
  } > "$file.keys.$service"
done

{
  echo "# Keys of contact details. What a lost one has sealed cannot be read again."
  echo "RAPPORT_CONTACT_KEYS={\"k1\":\"$(key)\"}"
  echo "RAPPORT_CONTACT_ACTIVE_KEY=k1"
  echo "RAPPORT_CONTACT_INDEX_KEY=$(key)"
} > "$file.keys.contacts"
