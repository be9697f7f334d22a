//! Parts of a backup: tables, schemas, definitions and rows alone, into new and existing databases.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::docker_is_here,
    compare::{assert_same, assert_same_text, portrait},
    zoo::{self, Size},
};

const SHOP: &str = "
CREATE ROLE keeper; CREATE ROLE reader;
CREATE SCHEMA sales AUTHORIZATION keeper; CREATE SCHEMA \"Old Stock\";
CREATE TYPE public.mood AS ENUM ('sad', 'ok');
CREATE FUNCTION public.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE public.customers (id serial PRIMARY KEY, name text);
INSERT INTO public.customers (name) SELECT 'customer ' || i FROM generate_series(1, 500) i;
CREATE TABLE sales.orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer int NOT NULL REFERENCES public.customers, what text DEFAULT 'nothing', amount numeric CHECK (amount >= 0));
INSERT INTO sales.orders (customer, what, amount) SELECT 1 + i % 500, md5(i::text), i FROM generate_series(1, 20000) i;
CREATE INDEX orders_what ON sales.orders (what) WHERE amount > 5;
CREATE TRIGGER stamp BEFORE INSERT ON sales.orders FOR EACH ROW EXECUTE FUNCTION public.stamp();
ALTER TABLE sales.orders OWNER TO keeper; GRANT SELECT ON sales.orders TO reader; COMMENT ON COLUMN sales.orders.what IS 'it''s; \\ what';
CREATE TABLE public.feelings (m public.mood); INSERT INTO public.feelings VALUES ('ok');
CREATE TABLE sales.parts (k int, v text) PARTITION BY HASH (k);
CREATE TABLE sales.parts_0 PARTITION OF sales.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sales.parts_1 PARTITION OF sales.parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO sales.parts SELECT i, 'x' FROM generate_series(1, 1000) i; CREATE INDEX ON sales.parts (v);
CREATE TABLE \"Old Stock\".\"It;em\" (\"a b\" int); INSERT INTO \"Old Stock\".\"It;em\" VALUES (7);
CREATE VIEW sales.large AS SELECT * FROM sales.orders WHERE amount > 100;
SELECT lo_from_bytea(4711, 'a picture');
ANALYZE;";

const TABLES: &str = "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'";
const ORDERS: &str = "SELECT count(*), md5(string_agg(o::text, ',' ORDER BY id)) FROM sales.orders o";

/// A server with the shop, and a backup `b` of it.
fn shop(plugin: &Plugin, major: u32) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", SHOP);
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server
}

/// Restores a part of the shop on one of the two ways, and gives standard error.
fn part(plugin: &Plugin, way: &str, arguments: &[&str]) -> String {
    let mut all = vec!["restore", "b", "-d", "shop", "--yes", "--mover", way];
    all.extend(arguments);
    let outcome = plugin.run(&all);
    assert_eq!(outcome.status, Some(0), "{arguments:?}: {outcome:?}");
    outcome.stderr
}

/// A part that must be refused or fail, naming something, and change nothing.
fn fails(plugin: &Plugin, server: &Server, way: &str, arguments: &[&str], named: &str) {
    let (before, databases) = (portrait(server, "shop"), server.all_databases());
    let mut all = vec!["restore", "b", "-d", "shop", "--yes", "--mover", way];
    all.extend(arguments);

    let said = plugin.must_fail(1, &all);

    assert!(said.contains(named), "{named} is not in: {said}");
    assert_same("the shop", &before, &portrait(server, "shop"));
    assert_eq!(server.all_databases(), databases);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

/// Tables into new databases and into the one they were lost from.
fn tables_come_back(major: u32, way: &str) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = shop(&plugin, major);
    let (before, orders) = (portrait(&server, "shop"), server.sql("shop", ORDERS));

    // Into a new database: the table, what belongs to it, and nothing else.
    let said = part(&plugin, way, &["-t", "sales.orders", "--into", "one"]);
    assert_eq!(server.sql("one", TABLES).trim(), "sales.orders");
    assert_eq!(server.sql("one", ORDERS), orders);
    assert!(
        said.contains("orders_customer_fkey") && said.contains("stamp"),
        "not said to be left out: {said}"
    );
    let details = "SELECT tableowner, has_table_privilege('reader', 'sales.orders', 'SELECT'), hasindexes,
        col_description('sales.orders'::regclass, 3), pg_get_indexdef('sales.orders_what'::regclass)
        FROM pg_tables WHERE tablename = 'orders'";
    assert_eq!(server.sql("one", details), server.sql("shop", details));
    let next = "INSERT INTO sales.orders (customer) VALUES (1) RETURNING id, what";
    assert_eq!(server.sql("one", next).trim(), "20001|nothing");

    // Partitions come with their table, quoted names are understood, and views.
    part(&plugin, way, &["-t", "PARTS", "-t", "\"Old Stock\".\"It;em\"", "--into", "two"]);
    assert_eq!(server.sql("two", "SELECT count(*) FROM sales.parts").trim(), "1000");
    assert_eq!(server.sql("two", "SELECT * FROM \"Old Stock\".\"It;em\"").trim(), "7");

    // Into the database that has lost them: all is as it was, foreign keys and triggers too.
    server.sql(
        "shop",
        "DROP TABLE sales.orders CASCADE; DROP SCHEMA \"Old Stock\" CASCADE; DROP TABLE sales.parts",
    );
    let mut somebody = Session::open(&server, "shop");
    part(&plugin, way, &["-t", "sales.orders", "-t", "sales.large", "-t", "parts", "-n", "sales"]);
    part(&plugin, way, &["-n", "\"Old Stock\""]);
    assert_same("the shop with its tables back", &before, &portrait(&server, "shop"));
    assert_eq!(somebody.run("SELECT count(*) FROM sales.orders"), ["20000"], "somebody was sent away");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn tables_come_back_alone_13() {
    tables_come_back(13, "auto");
}

#[test]
fn tables_come_back_alone_17() {
    tables_come_back(17, "auto");
}

#[test]
fn tables_come_back_alone_18() {
    tables_come_back(18, "auto");
}

#[test]
fn tables_come_back_alone_without_the_mover_13() {
    tables_come_back(13, "never");
}

#[test]
fn tables_come_back_alone_without_the_mover_17() {
    tables_come_back(17, "never");
}

#[test]
fn what_is_there_is_never_replaced_and_what_lacks_is_named() {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = shop(&plugin, 17);
    for way in ["auto", "never"] {
        fails(&plugin, &server, way, &["-t", "sales.orders"], "table `sales.orders` is in `shop` already");
        fails(&plugin, &server, way, &["-n", "sales"], "is in `shop` already");
        fails(&plugin, &server, way, &["-t", "feelings", "--into", "new"], "type `public.mood`");
        fails(&plugin, &server, way, &["-t", "nothing", "--into", "new"], "there is no table `nothing`");
        fails(&plugin, &server, way, &["-n", "nothing", "--into", "new"], "there is no schema `nothing`");
    }
    server.sql("shop", "DROP TABLE feelings; DROP TYPE mood");
    fails(&plugin, &server, "auto", &["-t", "feelings"], "type `public.mood`");
    // A kind of thing that the plan does not look at is found by the server itself.
    server.sql("shop", "CREATE TYPE mood AS ENUM ('other')");
    fails(&plugin, &server, "auto", &["-t", "feelings"], "feelings");
    plugin.must_fail(125, &["restore", "b", "-t", "a.b.c", "--yes"]);
    plugin.must_fail(125, &["restore", "b", "-t", "orders", "--disconnect", "--yes"]);
}

/// Rows alone, with their foreign keys in order, all or nothing.
fn rows_come_back(major: u32, way: &str) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = shop(&plugin, major);
    let before = portrait(&server, "shop");

    // The order of names and sizes is not the one of the keys.
    server.sql("shop", "TRUNCATE sales.orders, customers");
    let said = part(&plugin, way, &["-t", "sales.orders", "-t", "customers", "--data-only"]);
    assert!(said.contains("triggers of `sales.orders` fire"), "{said}");
    assert_same("the shop with its rows back", &before, &portrait(&server, "shop"));

    // What is there is in the way of its own copy, and a sequence that is farther stays there.
    fails(&plugin, &server, way, &["-t", "customers", "--data-only"], "customers_pkey");
    server.sql("shop", "TRUNCATE sales.orders, customers; SELECT setval('customers_id_seq', 90000)");
    part(&plugin, way, &["-t", "customers", "--data-only"]);
    assert_eq!(
        server.sql("shop", "SELECT count(*), nextval('customers_id_seq') FROM customers").trim(),
        "500|90001"
    );

    // One table that fails takes back the other.
    server.sql("shop", "TRUNCATE customers CASCADE; ALTER TABLE sales.orders ADD CHECK (id < 19999)");
    let orders = ["-t", "sales.orders", "-t", "customers", "--data-only"];
    fails(&plugin, &server, way, &orders, "orders");
    assert_eq!(server.sql("shop", "SELECT count(*) FROM customers").trim(), "0");
    server.sql("shop", "DROP TABLE sales.orders CASCADE");
    fails(&plugin, &server, way, &orders, "table `sales.orders` is not there");
}

#[test]
fn rows_come_back_alone_13() {
    rows_come_back(13, "auto");
}

#[test]
fn rows_come_back_alone_17() {
    rows_come_back(17, "auto");
}

#[test]
fn rows_come_back_alone_without_the_mover_18() {
    rows_come_back(18, "never");
}

#[test]
fn only_the_rows_of_what_is_chosen_are_read() {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = shop(&plugin, 17);
    let manifest = plugin.manifest("b");
    let tables = manifest["databases"][0]["tables"].as_array().unwrap();
    let bytes = tables.iter().find(|table| table["name"] == "customers").unwrap()["bytes"].as_u64().unwrap();

    let arguments = ["restore", "b", "-t", "customers", "--into", "new", "--yes", "--format", "json"];
    let outcome: serde_json::Value = serde_json::from_str(&plugin.must(&arguments)).unwrap();

    assert_eq!(outcome["loaded_bytes"].as_u64(), Some(bytes), "{outcome}");
    // The orders alone would be several times as much, compressed.
    assert!(outcome["sent_bytes"].as_u64().unwrap() < 100_000, "{outcome}");
    assert_eq!(outcome["databases"][0]["rows"], 500);
    assert_eq!(server.sql("new", TABLES).trim(), "public.customers");
}

/// Definitions of everything that PostgreSQL knows, made in one transaction of a database in use.
fn the_zoos_schema_is_made(major: u32, way: &str) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    zoo::build(&server, Size::default());
    plugin.must(&["create", &server.name, "-d", "zoo", "--name", "zoo"]);
    let before = portrait(&server, "zoo").schema;

    plugin.must(&["restore", "zoo", "--schema-only", "--into", "copy", "--yes", "--mover", way]);
    assert_same_text("the schema in a new database", &before, &portrait(&server, "copy").schema);
    assert_eq!(server.sql("copy", "SELECT count(*) FROM public.many_pages").trim(), "0");

    server.sql("postgres", "ALTER DATABASE zoo RENAME TO original");
    let locale = server.sql("postgres", "SELECT format('CREATE DATABASE zoo TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype) FROM pg_database WHERE datname = 'original'");
    server.sql("postgres", &locale);
    plugin.must(&["restore", "zoo", "-d", "zoo", "--schema-only", "--yes", "--mover", way]);
    assert_same_text("the schema in a database in use", &before, &portrait(&server, "zoo").schema);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn the_schema_of_the_zoo_is_made_without_rows_13() {
    the_zoos_schema_is_made(13, "auto");
}

#[test]
fn the_schema_of_the_zoo_is_made_without_rows_17() {
    the_zoos_schema_is_made(17, "auto");
}

#[test]
fn the_schema_of_the_zoo_is_made_without_rows_and_without_the_mover_18() {
    the_zoos_schema_is_made(18, "never");
}
