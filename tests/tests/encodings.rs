//! Databases that are not in UTF-8: names and data beyond ASCII come back byte for byte.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, must},
    compare::assert_same_text,
};

/// Names, data, a default and a function beyond ASCII; what it says is in UTF-8.
const CONTENT: &str = "CREATE SCHEMA \"schön\";
    CREATE TABLE \"schön\".\"größe\" (\"nümmer\" serial, \"breite ä\" int GENERATED ALWAYS AS IDENTITY, \"text'ö\" text DEFAULT 'ü');
    INSERT INTO \"schön\".\"größe\" (\"text'ö\") SELECT 'äöü ß ' || i FROM generate_series(1, 1000) i;
    CREATE SEQUENCE \"schön\".\"zähler's\" START 5; SELECT nextval('\"schön\".\"zähler''s\"');
    CREATE INDEX \"ïdx\" ON \"schön\".\"größe\" (\"text'ö\"); COMMENT ON TABLE \"schön\".\"größe\" IS 'é';
    CREATE FUNCTION \"schön\".\"fünf\"() RETURNS text LANGUAGE sql AS $$ SELECT 'fünf' $$;";

/// What pg_dump writes of it, each byte as a letter of Latin-1, without its random word.
fn dump(server: &Server, database: &str) -> String {
    let bytes = server.exec_bytes(&["pg_dump", "-U", &server.user, "-d", database]);
    let text: String = bytes.into_iter().map(char::from).collect();
    text.lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
}

fn comes_back(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    let encodings = ["LATIN1", "WIN1252", "EUC_JP", "SQL_ASCII"];
    for encoding in encodings {
        server.sql(
            "postgres",
            &format!("CREATE DATABASE \"{encoding}\" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"),
        );
        // The server turns this session's UTF-8 into the database's encoding; it takes any bytes
        // for SQL_ASCII.
        let content = if encoding == "EUC_JP" {
            "CREATE TABLE \"表\" (\"列\" text); INSERT INTO \"表\" VALUES ('日本語'); CREATE SEQUENCE \"数\""
        } else {
            CONTENT
        };
        server.sql(encoding, &format!("SET client_encoding = 'UTF8'; {content}"));
    }
    let before = encodings.map(|encoding| dump(&server, encoding));

    plugin.must(&["create", &server.name, "--name", "b"]);
    plugin.must(&["verify", "b"]);
    for encoding in encodings {
        plugin.must(&["restore", "b", "-d", encoding, "--yes"]);
    }

    for (encoding, before) in encodings.into_iter().zip(before) {
        assert_same_text(encoding, &before, &dump(&server, encoding));
    }
    assert_eq!(
        server
            .sql(
                "LATIN1",
                "SET client_encoding = 'UTF8'; SELECT nextval('\"schön\".\"zähler''s\"'), nextval('\"schön\".\"größe_nümmer_seq\"')"
            )
            .trim(),
        "6|1001"
    );
    let sequences = plugin.manifest("b")["databases"]
        .as_array()
        .unwrap()
        .iter()
        .find(|database| database["name"] == "LATIN1")
        .unwrap()["sequences"]
        .clone();
    assert_eq!(sequences["\"schön\".\"zähler's\""], "5, true");
}

#[test]
fn names_and_data_in_any_encoding_come_back_17() {
    comes_back(17);
}

#[test]
fn names_and_data_in_any_encoding_come_back_13() {
    comes_back(13);
}

/// The server of `of` again, with a role that is no superuser as the only way in.
fn as_role(of: &Server, role: &str) -> Server {
    of.exec(&["sh", "-c", "sed -i '1i local all postgres reject' $PGDATA/pg_hba.conf"]);
    must("docker", &["stop", "--time", "30", &of.name]);
    let (volumes, user) = (format!("--volumes-from={}", of.name), format!("POSTGRES_USER={role}"));
    let mut server = Server::start_with(of.major, &[&volumes, "--env", &user], &[]);
    role.clone_into(&mut server.user);
    server
}

fn a_role_backs_up_what_it_may_read(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, first) = (Plugin::new(), Server::start(major));
    first.sql(
        "postgres",
        "CREATE ROLE app LOGIN PASSWORD 'x'; CREATE DATABASE app OWNER app; CREATE DATABASE theirs OWNER app",
    );
    first.sql("app", "CREATE SCHEMA s AUTHORIZATION app; SET ROLE app; CREATE TABLE s.mine AS SELECT 1 AS i");
    first.sql("theirs", "CREATE TABLE secret AS SELECT 1 AS i");
    let server = as_role(&first, "app");

    let outcome = plugin.run(&["create", &server.name, "-d", "app", "--name", "mine"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("without"), "that hashes are left out is not said: {outcome:?}");

    let said = plugin.must_fail(3, &["create", &server.name, "--name", "all"]);
    assert!(said.contains("permission denied") && said.contains("secret"), "{said}");
    assert_eq!(plugin.backups(), ["mine"]);

    server.sql("app", "ALTER TABLE s.mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON s.mine USING (i > 1)");
    let said = plugin.must_fail(1, &["create", &server.name, "-d", "app", "--name", "hidden"]);
    assert!(said.contains("row-level security") && said.contains("mine"), "{said}");
}

#[test]
fn a_role_that_is_no_superuser_backs_up_what_it_may_read_and_is_told_what_not_17() {
    a_role_backs_up_what_it_may_read(17);
}

#[test]
fn a_role_that_is_no_superuser_backs_up_what_it_may_read_and_is_told_what_not_13() {
    a_role_backs_up_what_it_may_read(13);
}
