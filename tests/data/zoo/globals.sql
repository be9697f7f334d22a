-- What the zoo needs of the server itself: roles, memberships, a tablespace, the database.
-- Runs in any database as a superuser. The folder /var/lib/postgresql/zoo_space must be there,
-- empty and owned by the server's user.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE ROLE zoo_owner LOGIN PASSWORD 'ein Geheimnis' CREATEDB CONNECTION LIMIT 17 VALID UNTIL '2038-01-19 03:14:07+00';
CREATE ROLE zoo_reader NOLOGIN NOINHERIT;
CREATE ROLE "Zoo ""Admin"" — Straße" CREATEROLE LOGIN;
CREATE ROLE zoo_tenant LOGIN PASSWORD NULL;
COMMENT ON ROLE zoo_reader IS 'reads; it''s "quoted" \ backslashed';
GRANT zoo_reader TO zoo_owner;
GRANT zoo_reader TO "Zoo ""Admin"" — Straße" WITH ADMIN OPTION;
ALTER ROLE zoo_owner SET work_mem = '7MB';
ALTER ROLE zoo_owner SET search_path = "$user", public, "with space";
ALTER ROLE zoo_reader SET statement_timeout = '90s';
CREATE TABLESPACE zoo_space OWNER zoo_owner LOCATION '/var/lib/postgresql/zoo_space';
ALTER TABLESPACE zoo_space SET (random_page_cost = 1.5);
COMMENT ON TABLESPACE zoo_space IS 'another disk';
GRANT CREATE ON TABLESPACE zoo_space TO zoo_reader;
SELECT current_setting('server_version_num')::int >= 150000 AS v15 \gset
\if :v15
GRANT SET ON PARAMETER log_min_duration_statement TO zoo_owner;
\endif
CREATE DATABASE zoo OWNER zoo_owner TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' CONNECTION LIMIT 50;
COMMENT ON DATABASE zoo IS 'the zoo: one of everything, it''s said';
ALTER DATABASE zoo SET timezone = 'Pacific/Chatham';
ALTER DATABASE zoo SET search_path = 'Odd Names', public;
ALTER DATABASE zoo SET datestyle = 'SQL, DMY';
ALTER DATABASE zoo SET bytea_output = 'escape';
ALTER DATABASE zoo SET extra_float_digits = -5;
ALTER ROLE zoo_owner IN DATABASE zoo SET enable_seqscan = off;
ALTER ROLE zoo_reader IN DATABASE zoo SET default_transaction_read_only = on;
REVOKE CONNECT, TEMPORARY ON DATABASE zoo FROM PUBLIC;
GRANT CONNECT ON DATABASE zoo TO zoo_reader WITH GRANT OPTION;
GRANT CONNECT, TEMPORARY ON DATABASE zoo TO zoo_tenant;
