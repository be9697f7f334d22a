-- Databases whose names are taken for something else somewhere: a connection string, a path,
-- an option, an identifier that was not quoted.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE TEMPORARY TABLE name (name text);
INSERT INTO name VALUES ('a=b'), ('postgres://x'), ('x/y'), ('..'), ('.'), ('dbname=postgres'), ('Großer "Name"'),
  ('it''s'), ('back\slash'), ('-d'), ('--all'), ('$HOME `id`'), (E'new\nline'), (E'esc\x1b[31mred'), ('%2e%2e'), ('con'),
  ('ünïcödé 漢字 🐘'), (repeat('n', 63)), (' leading and trailing '), ('app'), ('app-2'), ('app_test'), ('*'), ('a,b;c'), ('NUL.dat');
SELECT format('CREATE DATABASE %I TEMPLATE template0', name) FROM name \gexec
