-- One configuration table is dumped whole, one by a filter, one not at all, and one sequence.
CREATE TABLE everything (id integer PRIMARY KEY, value text);
CREATE TABLE by_filter (id integer PRIMARY KEY, value text, builtin boolean NOT NULL DEFAULT false);
CREATE TABLE nothing (id integer PRIMARY KEY);
CREATE SEQUENCE counter;
INSERT INTO by_filter VALUES (1, 'comes with the extension', true);
INSERT INTO nothing VALUES (1), (2);
SELECT pg_extension_config_dump('everything', '');
SELECT pg_extension_config_dump('by_filter', 'WHERE NOT builtin');
SELECT pg_extension_config_dump('counter', '');
