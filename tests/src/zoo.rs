//! The zoo: a database with one of everything, and databases with names that are easily misread.

use crate::{
    command::{data, data_text},
    server::Server,
};

/// How much of the zoo a test needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Size {
    /// With a row of 100 MB.
    pub long: bool,
    /// With 5,000 tables in one schema.
    pub many: bool,
}

/// Makes what the zoo needs outside of a database: extension files and a tablespace's folder.
pub fn prepare(server: &Server) {
    let root = |script: &str| {
        crate::command::must("docker", &["exec", "--user", "0", &server.name, "sh", "-c", script]);
    };
    root("mkdir -p /var/lib/postgresql/zoo_space && chown postgres /var/lib/postgresql/zoo_space");
    let share = server.sql("template1", "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'");
    for file in ["zoo_config.control", "zoo_config--1.0.sql"] {
        server.copy_in(&data(&format!("zoo/{file}")), &format!("{}/extension/{file}", share.trim()));
    }
    root(&format!("chmod a+r {}/extension/zoo_config*", share.trim()));
}

/// Makes what a server needs before the zoo can be restored into it: a restore makes roles, and
/// asks for tablespaces, whose folders only the container's owner can make.
pub fn prepare_for_restore(server: &Server) {
    prepare(server);
    server.sql("template1", "CREATE TABLESPACE zoo_space LOCATION '/var/lib/postgresql/zoo_space'");
}

/// Builds the zoo, roles and tablespace included, in a database `zoo`.
pub fn build(server: &Server, size: Size) {
    prepare(server);
    server.sql("template1", &data_text("zoo/globals.sql"));
    let switch = |name: &str, on: bool| format!("{name}={}", i32::from(on));
    let variables = [switch("long", size.long), switch("many", size.many)];
    let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
    let said = server
        .try_sql_with("zoo", &variables, &data_text("zoo/zoo.sql"))
        .unwrap_or_else(|error| panic!("{error}"));
    for line in said.lines().filter(|line| line.starts_with("zoo:")) {
        crate::command::say(&format!("{line} (PostgreSQL {})", server.major));
    }
}

/// Makes the databases with names that are easily misread and returns the names.
pub fn build_names(server: &Server) -> Vec<String> {
    server.sql("template1", &data_text("zoo/names.sql"));
    // A name may hold a line feed, so names come separated by a byte that none holds.
    let script = "\\pset recordsep_zero on\nSELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1";
    let list = server.sql("template1", script);
    let names: Vec<String> = list
        .split('\0')
        .map(|name| name.trim_end_matches('\n').to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    for name in &names {
        fill(server, name);
    }
    names
}

/// Puts one row into a database that says which one it is.
fn fill(server: &Server, name: &str) {
    server.sql(name, "CREATE TABLE which AS SELECT current_database()::text AS name; CREATE SEQUENCE counter; SELECT nextval('counter');");
}
