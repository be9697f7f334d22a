-- Takes the next value of every sequence, as a program that writes after a restore would (F14).
\set ON_ERROR_STOP 1
\pset format unaligned
\pset tuples_only on
SET search_path = '';
SELECT format('SELECT %L, nextval(%L)', c.oid::regclass, c.oid::regclass) FROM pg_catalog.pg_class c
  WHERE relkind = 'S' ORDER BY c.oid::regclass::text COLLATE "C" \gexec
