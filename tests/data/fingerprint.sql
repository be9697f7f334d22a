-- Prints what a database holds, a line a thing, so that two databases can be compared by diff:
-- rows and an order-free checksum for each table, large objects, sequences, the database's own
-- properties. A table partitioned by hash is summed as a whole: the hash of an enum's value is
-- its oid's, so its rows may lie in other partitions after a restore. Needs a superuser. Two equal databases print the same lines.
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only on
SET search_path = ''; SET datestyle = 'ISO, YMD'; SET intervalstyle = postgres; SET timezone = 'UTC'; SET bytea_output = hex; SET extra_float_digits = 3;
SET row_security = off; SET client_min_messages = warning; SET statement_timeout = 0; SET default_transaction_read_only = off;
\o /dev/null
BEGIN ISOLATION LEVEL REPEATABLE READ;
\o
SELECT format('SELECT %L, count(*), coalesce(sum(pg_catalog.hashtextextended(pgb_every_row::text COLLATE "C", 0)::numeric), 0), '
              'coalesce(sum(pg_catalog.length(pgb_every_row::text)), 0) FROM %s%s AS pgb_every_row',
              'table ' || c.oid::regclass, CASE WHEN relkind = 'r' THEN 'ONLY ' END, c.oid::regclass)
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
  WHERE (relkind IN ('r', 'm') AND relispopulated AND NOT EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a
           JOIN pg_catalog.pg_partitioned_table ON partrelid = a.relid AND partstrat = 'h')
         OR relkind = 'p' AND EXISTS (SELECT FROM pg_catalog.pg_partitioned_table WHERE partrelid = c.oid AND partstrat = 'h'))
    AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname NOT LIKE 'pg\_toast%' AND nspname NOT LIKE 'pg\_temp%'
  ORDER BY c.oid::regclass::text COLLATE "C" \gexec
SELECT format('SELECT %L, last_value, is_called FROM %s', 'sequence ' || c.oid::regclass, c.oid::regclass)
  FROM pg_catalog.pg_class c WHERE relkind = 'S' ORDER BY c.oid::regclass::text COLLATE "C" \gexec
SELECT 'large object ' || oid, lomowner::regrole, (SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(lomacl) a),
  md5(pg_catalog.lo_get(oid)), pg_catalog.obj_description(oid, 'pg_largeobject') FROM pg_catalog.pg_largeobject_metadata ORDER BY pg_largeobject_metadata.oid;
SELECT 'database', pg_catalog.pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit, datistemplate, datallowconn, spcname,
  (SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE "C") FROM unnest(datacl) a), pg_catalog.shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = dattablespace WHERE datname = pg_catalog.current_database();
SELECT 'setting', coalesce(rolname, '(database)'), s FROM pg_catalog.pg_db_role_setting JOIN pg_catalog.pg_database d ON d.oid = setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = setrole, unnest(setconfig) s WHERE datname = pg_catalog.current_database() ORDER BY 2, 3;
SELECT 'extension ' || extname, extversion, extnamespace::regnamespace FROM pg_catalog.pg_extension ORDER BY extname COLLATE "C";
SELECT 'invalid index ' || indexrelid::regclass FROM pg_catalog.pg_index WHERE NOT indisvalid ORDER BY indexrelid::regclass::text COLLATE "C";
\o /dev/null
COMMIT;
