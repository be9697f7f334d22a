-- The zoo: one of everything a database can hold. Run in an empty database by a superuser:
--   psql -X -v ON_ERROR_STOP=1 -v long=0 -v many=0 -d zoo -f zoo.sql
-- long=1 adds a row of 100 MB, many=1 adds 5,000 tables in one schema. What the server cannot
-- do (its version, ICU, contrib) is left out, and said with \echo.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
SET search_path = public;
SET datestyle = ISO;
SELECT current_setting('server_version_num')::int >= 140000 AS v14,
       current_setting('server_version_num')::int >= 150000 AS v15,
       current_setting('server_version_num')::int >= 160000 AS v16,
       current_setting('server_version_num')::int >= 170000 AS v17,
       current_setting('server_version_num')::int >= 180000 AS v18,
       EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i' AND collname = 'de-x-icu') AS icu,
       EXISTS (SELECT FROM pg_config WHERE name = 'CONFIGURE' AND setting ~ 'with-libxml') AS xml,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore') AS contrib,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'zoo_config') AS config \gset

-- Names ------------------------------------------------------------------------------------
CREATE SCHEMA "Odd Names" AUTHORIZATION zoo_owner;
CREATE SCHEMA "with.dot and ""quote""";
CREATE TABLE "Odd Names"."Ta ble; DROP TABLE x --" ("select" int, "Üñï col" text, "a""b" text, "new
line" text, "x\y" text, "%I" text);
INSERT INTO "Odd Names"."Ta ble; DROP TABLE x --" VALUES (1, 'ß', '"', E'\n', '\', '%s');
CREATE TABLE "with.dot and ""quote"""."postgres://x" ("a=b" text DEFAULT 'x''y', "$1" int);
INSERT INTO "with.dot and ""quote"""."postgres://x" VALUES (DEFAULT, 1);
CREATE TABLE "Odd Names".nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn (pgb_row int);
INSERT INTO "Odd Names".nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn VALUES (63);
CREATE TABLE "..//x" ("/" text);
INSERT INTO "..//x" VALUES ('..');

-- Types ------------------------------------------------------------------------------------
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'glücklich', '');
ALTER TYPE mood ADD VALUE 'between' BEFORE 'it''s ok';
CREATE DOMAIN positive AS integer DEFAULT 1 CONSTRAINT "is positive" CHECK (VALUE > 0) NOT NULL;
CREATE DOMAIN short_text AS varchar(10) COLLATE "C" CHECK (VALUE !~ '^ ');
CREATE TYPE point3 AS (x double precision, y double precision, "Z z" short_text);
CREATE TYPE float_range AS RANGE (subtype = double precision, subtype_diff = float8mi);
CREATE TYPE shell_only;
CREATE TABLE types (
  id integer PRIMARY KEY, b boolean, i2 smallint, i8 bigint, n numeric, n2 numeric(12,3), f4 real, f8 double precision,
  m money, t text, vc varchar(5), c char(5), by bytea, d date, ti time, tz timetz, ts timestamp, tstz timestamptz, iv interval,
  u uuid, j json, jb jsonb, x xml, bi bit(5), vb bit varying(9), ip inet, ci cidr, ma macaddr, ma8 macaddr8,
  pt point, ln line, ls lseg, bx box, pa path, po polygon, ce circle, tv tsvector, tq tsquery, jp jsonpath, pl pg_lsn,
  mo mood, ps positive, st short_text, p3 point3, fr float_range, ir int4range, nr numrange, dr daterange, tr tstzrange,
  a1 integer[], a2 text[][], am mood[], ap point3[], oc "char", nm name, rc regclass, oi oid);
INSERT INTO types (id) VALUES (0);
INSERT INTO types VALUES (1, true, -32768, 9223372036854775807, 'NaN', 123456789.123, 'NaN', '-Infinity', '-1.23', '', '', '', '',
  'infinity', '23:59:59.999999', '12:00:00+14:59:59', '-infinity', '0001-01-01 00:00:00+00 BC', '-178000000 years 1 mon -3 days 04:05:06.789',
  '00000000-0000-0000-0000-000000000000', '{"a" :  1, "a":2}', '{"a": 1e400, "ü": "\u00fc\n\t\\"}', NULL, B'10101', B'', '::1/128', '10.0.0.0/8',
  '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '(1,2)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),1>',
  'fat:1A cat:2', 'fat & (rat | cat:A)', '$.a[*] ? (@ > 1)', 'FFFFFFFF/FFFFFFFF', 'glücklich', 2147483647, 'ab', '(1,NaN,"q ""x""")',
  '[1.5,Infinity)', 'empty', '(,5.5]', '[2000-01-01,)', '[-infinity,infinity]', '[-2:0]={1,NULL,3}', '{{a,"b c"},{"\\","\""}}', '{sad,NULL,""}',
  '{"(1,2,x)"}', 'A', 'name', 'pg_class', 4294967295);
INSERT INTO types (id, f4, f8, n, tstz, iv, jb, t) VALUES
  (2, '3.4028235e38', '2.2250738585072014e-308', repeat('9', 1000)::numeric + 0.000000001, '294276-12-31 23:59:59.999999+00', '178000000 years', 'null', 'x'),
  (3, '-0', '0.1', -0.00000000000000000000000000000000000000000001, '2024-10-27 02:30:00+02', '1 day -1 hour', '[]', E'\u0001\u007f\u0085\u2028\ufeff'),
  (4, '1e-45', '5e-324', 1e1000, 'epoch', '00:00:00.000001', '{}', '👩‍👩‍👧‍👦');
\if :xml
UPDATE types SET x = '<a>&lt;</a>' WHERE id = 1;
\else
\echo zoo: without XML values, which this server does not have
\endif
\if :v14
CREATE TYPE float_multi AS RANGE (subtype = double precision, multirange_type_name = float_multis);
CREATE TABLE multiranges (a int4multirange, b float_multis, inf numeric);
INSERT INTO multiranges VALUES ('{[1,3),[5,9)}', '{[1,2],(3,4)}', 'Infinity'), ('{}', NULL, '-Infinity');
\endif

-- Text that COPY must quote ------------------------------------------------------------------
CREATE TABLE copy_text (id int, t text);
INSERT INTO copy_text VALUES (1, '\.'), (2, '\N'), (3, ''), (4, NULL), (5, E'\\.\n\\.\n'), (6, E'\t\b\f\v\r\n\r'), (7, '\'), (8, '\\N'), (9, E'a\nb'),
  (10, ' '), (11, 'NULL'), (12, '\x00'), (13, '"'), (14, E'\r\n\\.\r\n'), (15, repeat(E'\\\t\n', 5000));
CREATE TABLE one_text (t text);
INSERT INTO one_text VALUES ('\.'), ('\N'), (''), (NULL), ('.'), ('\');
CREATE TABLE all_bytes (id int PRIMARY KEY, b bytea);
INSERT INTO all_bytes SELECT i, decode(lpad(to_hex(i), 2, '0'), 'hex') FROM generate_series(0, 255) i;
INSERT INTO all_bytes SELECT 256, decode(string_agg(lpad(to_hex(i), 2, '0'), '' ORDER BY i), 'hex') FROM generate_series(0, 255) i;
CREATE TABLE long_rows (id int, t text, b bytea);
ALTER TABLE long_rows ALTER t SET STORAGE EXTERNAL;
INSERT INTO long_rows SELECT i, repeat(md5(i::text), 65536 * i), decode(repeat(md5((-i)::text), 1000), 'hex') FROM generate_series(1, 3) i;
\if :long
INSERT INTO long_rows SELECT 100, string_agg(md5(i::text), ''), NULL FROM generate_series(1, 3125000) i;
\else
\echo zoo: without the row of 100 MB
\endif
CREATE TABLE wide AS SELECT * FROM (SELECT 1 AS first) one;
DO $$ BEGIN FOR i IN 1..1200 LOOP EXECUTE format('ALTER TABLE public.wide ADD COLUMN c%s int DEFAULT %s', i, i); END LOOP; END $$;

-- Tables -------------------------------------------------------------------------------------
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES; INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE empty_table (a int, b text);
CREATE TABLE dropped_columns (a int, gone1 text, b text, gone2 int, c text DEFAULT 'c');
INSERT INTO dropped_columns VALUES (1, 'x', 'b', 2);
ALTER TABLE dropped_columns DROP COLUMN gone1, DROP COLUMN gone2, ADD COLUMN late int DEFAULT 7;
CREATE TABLE only_generated (g int GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated DEFAULT VALUES; INSERT INTO only_generated DEFAULT VALUES;
CREATE UNLOGGED TABLE unlogged (a int); INSERT INTO unlogged SELECT generate_series(1, 1000);
CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text, d text GENERATED ALWAYS AS (upper(c)) STORED);
INSERT INTO generated (a, c) SELECT i, 'x' || i FROM generate_series(1, 100) i;
CREATE TABLE in_space (a int PRIMARY KEY USING INDEX TABLESPACE zoo_space, b text) TABLESPACE zoo_space;
INSERT INTO in_space SELECT i, md5(i::text) FROM generate_series(1, 500) i;
CREATE TABLE options (a int, b text) WITH (fillfactor = 70, autovacuum_enabled = false);
ALTER TABLE options ALTER a SET STATISTICS 500, ALTER b SET (n_distinct = -0.5), ALTER b SET STORAGE MAIN;
INSERT INTO options SELECT i, repeat('x', i) FROM generate_series(1, 100) i;
CREATE TABLE typed OF point3 (PRIMARY KEY (x)); INSERT INTO typed VALUES (1, 2, 'z');
CREATE TABLE replica (a int NOT NULL, b int); CREATE UNIQUE INDEX replica_a ON replica (a);
ALTER TABLE replica REPLICA IDENTITY USING INDEX replica_a; ALTER TABLE options REPLICA IDENTITY FULL;
-- Page ranges: enough pages for a split into several, with holes that DELETE left.
CREATE TABLE many_pages AS SELECT i AS id, md5(i::text) AS a, repeat(md5((i * 7)::text), 3) AS b FROM generate_series(1, 60000) i;
DELETE FROM many_pages WHERE id BETWEEN 10000 AND 30000 OR id % 7 = 0;
UPDATE many_pages SET b = b || 'x' WHERE id % 5 = 0;

-- Inheritance and partitions --------------------------------------------------------------------
CREATE TABLE parent (a int CHECK (a > 0), b text); CREATE TABLE child (c int) INHERITS (parent);
CREATE TABLE other_parent (d int); CREATE TABLE grandchild (e int DEFAULT 5) INHERITS (child, other_parent);
INSERT INTO parent VALUES (1, 'parent'); INSERT INTO child VALUES (2, 'child', 3); INSERT INTO grandchild VALUES (3, 'grandchild', 4, 5);
CREATE TABLE by_range (d date NOT NULL, v text, PRIMARY KEY (d)) PARTITION BY RANGE (d);
CREATE TABLE by_range_old PARTITION OF by_range FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE by_range_new (v text, d date NOT NULL); ALTER TABLE by_range ATTACH PARTITION by_range_new FOR VALUES FROM ('2020-01-01') TO ('2030-01-01');
CREATE TABLE by_range_rest PARTITION OF by_range DEFAULT PARTITION BY RANGE (d);
CREATE TABLE by_range_rest_any PARTITION OF by_range_rest DEFAULT;
INSERT INTO by_range SELECT '2015-01-01'::date + i * 30, 'v' || i FROM generate_series(0, 300) i;
CREATE TABLE by_hash_enum (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE by_hash_enum_0 PARTITION OF by_hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE by_hash_enum_1 PARTITION OF by_hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE by_hash_enum_2 PARTITION OF by_hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO by_hash_enum SELECT (enum_range(NULL::mood))[1 + i % 5], i FROM generate_series(1, 1000) i;
CREATE TABLE by_list (k text, v int) PARTITION BY LIST (k);
CREATE TABLE "by_list.ä" PARTITION OF by_list FOR VALUES IN ('ä', NULL, ''); CREATE TABLE by_list_else PARTITION OF by_list DEFAULT;
INSERT INTO by_list VALUES ('ä', 1), (NULL, 2), ('', 3), ('else', 4);
CREATE INDEX by_list_v ON by_list (v);

-- Sequences and identity ------------------------------------------------------------------------
CREATE SEQUENCE seq_odd AS smallint INCREMENT -3 MINVALUE -300 MAXVALUE 30 START 9 CACHE 5 CYCLE;
SELECT nextval('seq_odd'), nextval('seq_odd');
CREATE SEQUENCE seq_never_used START 42;
CREATE SEQUENCE seq_called; SELECT setval('seq_called', 99, true);
CREATE SEQUENCE seq_not_called; SELECT setval('seq_not_called', 99, false);
CREATE SEQUENCE seq_end MAXVALUE 9223372036854775807; SELECT setval('seq_end', 9223372036854775806);
CREATE TABLE identities (a int GENERATED ALWAYS AS IDENTITY (START 1000 INCREMENT 10), b bigint GENERATED BY DEFAULT AS IDENTITY, t text);
INSERT INTO identities (t) SELECT 'r' || i FROM generate_series(1, 25) i;
CREATE TABLE serials (id bigserial PRIMARY KEY, small smallserial, t text); INSERT INTO serials (t) SELECT md5(i::text) FROM generate_series(1, 77) i;
CREATE TABLE "Odd Names"."Serial Tab" ("Id" serial, t text DEFAULT nextval('seq_called')::text); INSERT INTO "Odd Names"."Serial Tab" DEFAULT VALUES;

-- Constraints -------------------------------------------------------------------------------------
CREATE TABLE fk_a (id int PRIMARY KEY, b int); CREATE TABLE fk_b (id int PRIMARY KEY, a int REFERENCES fk_a DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE fk_a ADD CONSTRAINT "round and round" FOREIGN KEY (b) REFERENCES fk_b ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
BEGIN; INSERT INTO fk_a VALUES (1, 1), (2, 2); INSERT INTO fk_b VALUES (1, 1), (2, 2); COMMIT;
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree, CHECK (up <> id)); INSERT INTO tree SELECT i, NULLIF(i / 2, 0) FROM generate_series(1, 100) i;
INSERT INTO fk_a VALUES (3, NULL); ALTER TABLE fk_a ADD CONSTRAINT not_valid CHECK (b IS NOT NULL) NOT VALID;
CREATE TABLE excluded (r int4range, EXCLUDE USING gist (r WITH &&)); INSERT INTO excluded VALUES ('[1,2)'), ('[2,3)');
CREATE INDEX expr_idx ON copy_text (md5(t), (id + 1) DESC NULLS LAST) WHERE id > 3; CREATE INDEX hash_idx ON serials USING hash (t);
CREATE INDEX brin_idx ON many_pages USING brin (id) WITH (pages_per_range = 8); CLUSTER serials USING serials_pkey;
CREATE UNIQUE INDEX include_idx ON serials (id) INCLUDE (t) TABLESPACE zoo_space;
CREATE STATISTICS stat_many (ndistinct, dependencies, mcv) ON a, b FROM many_pages; ALTER STATISTICS stat_many SET STATISTICS 50;
COMMENT ON STATISTICS stat_many IS 'a and b';
\if :v14
CREATE STATISTICS stat_expr ON (id % 10), lower(a) FROM many_pages;
\endif
\if :v15
CREATE TABLE nulls_once (a int UNIQUE NULLS NOT DISTINCT); INSERT INTO nulls_once VALUES (NULL), (1);
CREATE VIEW by_invoker WITH (security_invoker = true) AS SELECT * FROM parent;
\endif
\if :v17
CREATE TABLE part_identity (id bigint GENERATED ALWAYS AS IDENTITY, k int) PARTITION BY LIST (k);
CREATE TABLE part_identity_1 PARTITION OF part_identity FOR VALUES IN (1); INSERT INTO part_identity (k) VALUES (1), (1), (1);
\endif
\if :v18
CREATE TABLE virtual (a int, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, s int GENERATED ALWAYS AS (a + 2) STORED); INSERT INTO virtual VALUES (1), (2);
CREATE TABLE not_enforced (a int CONSTRAINT maybe CHECK (a > 0) NOT ENFORCED); INSERT INTO not_enforced VALUES (-1);
CREATE TABLE loose (a int); INSERT INTO loose VALUES (NULL); ALTER TABLE loose ADD CONSTRAINT loose_nn NOT NULL a NOT VALID;
\endif

-- Functions, operators, casts, aggregates --------------------------------------------------------
CREATE FUNCTION quoted(a text, OUT b text) LANGUAGE plpgsql AS $body$ BEGIN b := $$it's $1 \n "x" $$ || a || E'\\'; END $body$;
CREATE FUNCTION "Odd Names"."f (x)"(int DEFAULT 3, VARIADIC "v v" text[] DEFAULT '{a,b}') RETURNS SETOF record LANGUAGE sql STABLE STRICT
  SECURITY DEFINER SET search_path = pg_catalog, "Odd Names" COST 7 ROWS 3 AS 'SELECT $1, unnest($2) -- end';
CREATE PROCEDURE proc(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN x := x + 1; COMMIT; END $$;
CREATE FUNCTION uses_type(public.point3) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT ($1).x';
CREATE FUNCTION mood_weight(mood) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT length($1::text) $$;
CREATE CAST (mood AS int) WITH FUNCTION mood_weight(mood) AS ASSIGNMENT;
CREATE FUNCTION add3(point3, point3) RETURNS point3 LANGUAGE sql IMMUTABLE AS $$ SELECT ROW(($1).x + ($2).x, ($1).y + ($2).y, '')::public.point3 $$;
CREATE OPERATOR |+| (LEFTARG = point3, RIGHTARG = point3, FUNCTION = add3, COMMUTATOR = |+|);
CREATE AGGREGATE sum3(point3) (SFUNC = add3, STYPE = point3, INITCOND = '(0,0,)');
CREATE FUNCTION checked_by_function(int) RETURNS boolean LANGUAGE sql AS 'SELECT $1 < (SELECT count(*) + 1000 FROM public.parent)';
CREATE TABLE checked (a int CHECK (checked_by_function(a))); INSERT INTO checked VALUES (1), (2);
\if :v14
CREATE FUNCTION atomic(a int) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM public.parent WHERE parent.a > $1; END;
\endif
CREATE TEXT SEARCH CONFIGURATION zoo_search (COPY = english); ALTER TEXT SEARCH CONFIGURATION zoo_search DROP MAPPING FOR url;
CREATE CONVERSION zoo_conversion FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

-- Views, rules, triggers, policies ---------------------------------------------------------------
CREATE VIEW v1 AS SELECT a, b FROM parent WHERE a > 0; CREATE VIEW v2 AS SELECT v1.a, count(*) AS n FROM v1 JOIN serials ON true GROUP BY v1.a;
CREATE VIEW v_check WITH (security_barrier) AS SELECT * FROM parent WHERE a < 100 WITH LOCAL CHECK OPTION;
CREATE VIEW v_of_pk AS SELECT id, t FROM serials GROUP BY id;
CREATE RECURSIVE VIEW up (id, depth) AS SELECT id, 0 FROM tree WHERE up IS NULL UNION ALL SELECT t.id, depth + 1 FROM tree t JOIN up u ON t.up = u.id;
CREATE MATERIALIZED VIEW m1 AS SELECT a % 10 AS k, count(*) AS n FROM generated GROUP BY 1; CREATE UNIQUE INDEX ON m1 (k);
CREATE MATERIALIZED VIEW m2 AS SELECT sum(n) AS n FROM m1; CREATE MATERIALIZED VIEW a0_on_m2 AS SELECT n + 1 AS n FROM m2;
CREATE MATERIALIZED VIEW m_not_populated AS SELECT * FROM m2 WITH NO DATA;
CREATE RULE "no delete" AS ON DELETE TO fk_b DO INSTEAD NOTHING; CREATE RULE view_insert AS ON INSERT TO v1 DO INSTEAD INSERT INTO parent VALUES (NEW.a, NEW.b);
ALTER TABLE fk_b DISABLE RULE "no delete";
CREATE TABLE log (at text, what text);
CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (TG_OP, TG_NAME || ' ' || TG_ARGV[0]); RETURN NEW; END $$;
CREATE TRIGGER t_on AFTER INSERT OR UPDATE OF b ON parent FOR EACH ROW WHEN (NEW.a > 0) EXECUTE FUNCTION log_it('it''s\000x');
CREATE TRIGGER t_off BEFORE INSERT ON copy_text FOR EACH ROW EXECUTE FUNCTION log_it('off'); ALTER TABLE copy_text DISABLE TRIGGER t_off;
CREATE TRIGGER t_always AFTER INSERT ON all_bytes FOR EACH ROW EXECUTE FUNCTION log_it('always'); ALTER TABLE all_bytes ENABLE ALWAYS TRIGGER t_always;
CREATE TRIGGER t_replica AFTER INSERT ON types FOR EACH ROW EXECUTE FUNCTION log_it('replica'); ALTER TABLE types ENABLE REPLICA TRIGGER t_replica;
CREATE TRIGGER t_parts AFTER INSERT ON by_list FOR EACH ROW EXECUTE FUNCTION log_it('parts'); ALTER TABLE "by_list.ä" DISABLE TRIGGER t_parts;
CREATE CONSTRAINT TRIGGER t_later AFTER INSERT ON fk_a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_it('later');
CREATE TRIGGER t_delta AFTER UPDATE ON serials REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION log_it('delta');
-- A failing event trigger, made last and disabled, and one that is on, would show whether a restore fires them.
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.log VALUES (TG_TAG, 'event'); END $$;
CREATE EVENT TRIGGER zoo_on ON ddl_command_end WHEN TAG IN ('CREATE SEQUENCE', 'CREATE CONVERSION') EXECUTE FUNCTION on_ddl();
CREATE EVENT TRIGGER zoo_off ON sql_drop EXECUTE FUNCTION on_ddl(); ALTER EVENT TRIGGER zoo_off DISABLE;
COMMENT ON EVENT TRIGGER zoo_on IS 'on';
CREATE TABLE tenants (id int, tenant name, secret text); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY; ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
INSERT INTO tenants SELECT i, CASE WHEN i % 2 = 0 THEN 'zoo_tenant' ELSE 'other' END, md5(i::text) FROM generate_series(1, 100) i;
CREATE POLICY own_rows ON tenants AS PERMISSIVE FOR ALL TO zoo_tenant USING (tenant = current_user) WITH CHECK (tenant = current_user);
CREATE POLICY "never 13" ON tenants AS RESTRICTIVE FOR SELECT USING (id <> 13); ALTER TABLE tenants OWNER TO zoo_owner; GRANT SELECT ON tenants TO zoo_tenant;
CREATE TABLE rls_off (a int); CREATE POLICY unused ON rls_off USING (false); INSERT INTO rls_off VALUES (1);

-- Foreign data, publications, subscription ----------------------------------------------------------
CREATE FOREIGN DATA WRAPPER zoo_fdw OPTIONS (debug 'true', "odd option" 'it''s');
CREATE SERVER zoo_server TYPE 'zoo' VERSION '1' FOREIGN DATA WRAPPER zoo_fdw OPTIONS (host 'nowhere.invalid');
CREATE USER MAPPING FOR zoo_owner SERVER zoo_server OPTIONS (user 'x', password 'y'); CREATE USER MAPPING FOR PUBLIC SERVER zoo_server;
CREATE FOREIGN TABLE far_away (a int OPTIONS (column_name 'A a') NOT NULL, b text DEFAULT 'b') SERVER zoo_server OPTIONS (tab 'x');
GRANT USAGE ON FOREIGN SERVER zoo_server TO zoo_reader;
CREATE PUBLICATION pub_all FOR ALL TABLES WITH (publish = 'insert, update'); CREATE PUBLICATION pub_some FOR TABLE ONLY parent, serials; CREATE PUBLICATION pub_none;
\if :v15
CREATE PUBLICATION pub_filtered FOR TABLE serials (id, t) WHERE (id > 10); CREATE PUBLICATION pub_schema FOR TABLES IN SCHEMA "Odd Names";
\endif
CREATE SUBSCRIPTION zoo_sub CONNECTION 'host=nowhere.invalid dbname=x password=hidden' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false);
COMMENT ON SUBSCRIPTION zoo_sub IS 'asleep';

-- Large objects -----------------------------------------------------------------------------------
SELECT lo_from_bytea(700001, decode(repeat('00ff5c4e5c2e0a0d', 100), 'hex')), lo_from_bytea(700002, ''), lo_create(700003),
       lo_from_bytea(700004, decode(repeat(md5('x'), 20000), 'hex')), lo_from_bytea(4294967290, 'last oid');
ALTER LARGE OBJECT 700001 OWNER TO zoo_owner; GRANT SELECT ON LARGE OBJECT 700001 TO zoo_reader; GRANT ALL ON LARGE OBJECT 700002 TO PUBLIC;
COMMENT ON LARGE OBJECT 700001 IS 'a «large» object; it''s small'; SELECT lo_put(700003, 5000000, 'far') ;
DO $$ BEGIN FOR i IN 1..50 LOOP PERFORM lo_from_bytea(710000 + i, decode(md5(i::text), 'hex')); END LOOP; END $$;

-- Collations, extensions -----------------------------------------------------------------------------
CREATE COLLATION posix_copy FROM "POSIX"; CREATE TABLE collated (a text COLLATE posix_copy, b text COLLATE "C"); CREATE INDEX ON collated (a COLLATE "C");
INSERT INTO collated SELECT chr(60 + i), chr(200 + i) FROM generate_series(1, 40) i;
\if :icu
CREATE COLLATION german_phonebook (provider = icu, locale = 'de-u-co-phonebk'); CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE icu (a text COLLATE german_phonebook, b text COLLATE any_case UNIQUE); CREATE INDEX ON icu (a); INSERT INTO icu VALUES ('Göthe', 'A'), ('Goethe', 'B'), ('Gothe', 'c');
\else
\echo zoo: without ICU collations, which this server does not have
\endif
\if :contrib
CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION pg_trgm;
CREATE TABLE hstores (h ext.hstore); INSERT INTO hstores VALUES ('a=>1, "b c"=>NULL, "\""=>"\\"'); CREATE INDEX trgm_idx ON serials USING gin (t gin_trgm_ops);
COMMENT ON EXTENSION pg_trgm IS 'a comment of ours';
\else
\echo zoo: without hstore and pg_trgm, which this server does not have
\endif
\if :config
CREATE EXTENSION zoo_config; INSERT INTO zoo_config.everything VALUES (1, 'ours'), (2, '\.'), (3, NULL);
INSERT INTO zoo_config.by_filter VALUES (2, 'ours', false), (3, 'also ours', false); SELECT setval('zoo_config.counter', 12);
\else
\echo zoo: without zoo_config, whose files were not copied
\endif

-- Privileges and comments -----------------------------------------------------------------------------
GRANT USAGE ON SCHEMA "Odd Names" TO zoo_reader; GRANT SELECT ("Üñï col"), UPDATE ("select") ON "Odd Names"."Ta ble; DROP TABLE x --" TO zoo_reader WITH GRANT OPTION;
REVOKE ALL ON FUNCTION quoted(text) FROM PUBLIC; GRANT EXECUTE ON FUNCTION quoted(text) TO "Zoo ""Admin"" — Straße"; GRANT USAGE ON SEQUENCE seq_odd TO zoo_owner;
GRANT SELECT ON parent TO zoo_reader WITH GRANT OPTION; SET ROLE zoo_reader; GRANT SELECT ON parent TO zoo_tenant; RESET ROLE;
REVOKE USAGE ON TYPE mood FROM PUBLIC; GRANT USAGE ON TYPE mood TO zoo_owner; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT SELECT ON pg_catalog.pg_authid TO zoo_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA "Odd Names" GRANT SELECT ON TABLES TO zoo_reader; ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO zoo_tenant;
COMMENT ON SCHEMA public IS 'not the standard comment'; COMMENT ON COLUMN types.jb IS E'two\nlines'; COMMENT ON TYPE mood IS 'mood'; COMMENT ON DOMAIN positive IS '> 0';
COMMENT ON CONSTRAINT "is positive" ON DOMAIN positive IS 'of the domain'; COMMENT ON INDEX expr_idx IS 'index'; COMMENT ON POLICY own_rows ON tenants IS 'policy';
COMMENT ON TRIGGER t_on ON parent IS 'trigger'; COMMENT ON RULE "no delete" ON fk_b IS 'rule'; COMMENT ON SERVER zoo_server IS 'server'; COMMENT ON PUBLICATION pub_all IS 'publication';
COMMENT ON FUNCTION quoted(text) IS '\ '' " $$'; COMMENT ON OPERATOR |+| (point3, point3) IS 'operator'; COMMENT ON MATERIALIZED VIEW m2 IS 'm2'; COMMENT ON CAST (mood AS int) IS 'cast';

\if :many
CREATE SCHEMA many;
SELECT format('CREATE TABLE many.t%s AS SELECT i AS a, md5(i::text) AS b FROM generate_series(1, %s) i', i, i % 10) FROM generate_series(1, 5000) i \gexec
\else
\echo zoo: without the 5,000 tables
\endif
ANALYZE;
