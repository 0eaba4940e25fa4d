-- The databases and roles of the three services, for an existing PostgreSQL (15 or later).
-- Run it once, as a superuser; running it again keeps what exists and sets the passwords anew:
--
--   psql -v ON_ERROR_STOP=1 -d postgres -f roles.sql \
--     -v ingestion_owner=... -v ingestion_worker=... -v ingestion_api=... -v ingestion_purge=... \
--     -v scoring_owner=...   -v scoring_worker=...   -v scoring_api=...   -v scoring_purge=... \
--     -v outreach_owner=...  -v outreach_worker=...  -v outreach_api=...  -v outreach_purge=...
--
-- Each variable is that login role's password. Arguments can be seen in the list of processes: on a shared machine
-- put `\set ingestion_owner ...` lines into a file that only you can read, and give it with a first -f.
--
-- <service>_owner   owns the database and its tables; runs the migrations, nothing else.
-- <service>_worker  reads and writes; one batch spans all practices.
-- <service>_api     reads and writes what row-level security lets it: one practice.
-- <service>_purge   removes what has outlived its term, and reads next to nothing.
-- Migrations name only the groups rapport_worker, rapport_api and rapport_purge in their grants and policies. What separates the
-- services is the right to connect. rapport_devkit.databases does the same for development.

-- The groups, without login, once for the whole server.
SELECT format('CREATE ROLE %I NOLOGIN', wanted)
FROM unnest(ARRAY['rapport_worker', 'rapport_api', 'rapport_purge']) AS wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted)
\gexec

-- The login roles.
SELECT format('CREATE ROLE %I', service || '_' || role)
FROM unnest(ARRAY['ingestion', 'scoring', 'outreach']) AS service,
     unnest(ARRAY['owner', 'worker', 'api', 'purge']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service || '_' || role)
\gexec

ALTER ROLE ingestion_owner  LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'ingestion_owner';
ALTER ROLE ingestion_worker LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'ingestion_worker';
ALTER ROLE ingestion_api    LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'ingestion_api';
ALTER ROLE ingestion_purge  LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'ingestion_purge';
ALTER ROLE scoring_owner    LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'scoring_owner';
ALTER ROLE scoring_worker   LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'scoring_worker';
ALTER ROLE scoring_api      LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'scoring_api';
ALTER ROLE scoring_purge    LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'scoring_purge';
ALTER ROLE outreach_owner   LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'outreach_owner';
ALTER ROLE outreach_worker  LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'outreach_worker';
ALTER ROLE outreach_api     LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'outreach_api';
ALTER ROLE outreach_purge   LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD :'outreach_purge';

GRANT rapport_worker TO ingestion_worker, scoring_worker, outreach_worker;
GRANT rapport_api TO ingestion_api, scoring_api, outreach_api;
GRANT rapport_purge TO ingestion_purge, scoring_purge, outreach_purge;
-- A migration that cannot have a lock tells how long the session in its way has been there.
GRANT pg_read_all_stats TO ingestion_owner, scoring_owner, outreach_owner;

-- The databases: each for its own four roles only.
SELECT format('CREATE DATABASE %I OWNER %I', service, service || '_owner')
FROM unnest(ARRAY['ingestion', 'scoring', 'outreach']) AS service
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = service)
\gexec

REVOKE ALL ON DATABASE ingestion, scoring, outreach FROM PUBLIC;
GRANT CONNECT ON DATABASE ingestion TO ingestion_worker, ingestion_api, ingestion_purge;
GRANT CONNECT ON DATABASE scoring TO scoring_worker, scoring_api, scoring_purge;
GRANT CONNECT ON DATABASE outreach TO outreach_worker, outreach_api, outreach_purge;

-- What an owner makes later, workers and API may use; to the purge migrations give what it needs, by name.
\connect ingestion
ALTER DEFAULT PRIVILEGES FOR ROLE ingestion_owner
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rapport_worker, rapport_api;
ALTER DEFAULT PRIVILEGES FOR ROLE ingestion_owner GRANT USAGE, SELECT ON SEQUENCES TO rapport_worker, rapport_api;
\connect scoring
ALTER DEFAULT PRIVILEGES FOR ROLE scoring_owner
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rapport_worker, rapport_api;
ALTER DEFAULT PRIVILEGES FOR ROLE scoring_owner GRANT USAGE, SELECT ON SEQUENCES TO rapport_worker, rapport_api;
\connect outreach
ALTER DEFAULT PRIVILEGES FOR ROLE outreach_owner
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO rapport_worker, rapport_api;
ALTER DEFAULT PRIVILEGES FOR ROLE outreach_owner GRANT USAGE, SELECT ON SEQUENCES TO rapport_worker, rapport_api;
