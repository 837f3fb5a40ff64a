#!/bin/sh
# Runs once, when the database's container starts with an empty volume: the role that owns the tables,
# and the application's, which owns nothing and so can't get around a rule of the database.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
    --set owner_password="$DATABASE_OWNER_PASSWORD" --set app_password="$DATABASE_PASSWORD" <<'SQL'
CREATE ROLE hpcbilling_owner LOGIN NOSUPERUSER PASSWORD :'owner_password';
CREATE ROLE hpcbilling_app LOGIN NOSUPERUSER PASSWORD :'app_password';
CREATE DATABASE hpcbilling OWNER hpcbilling_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE hpcbilling FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE hpcbilling TO hpcbilling_app;
SQL
