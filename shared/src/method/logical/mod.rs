//! The logical method: pg_dump's contents, and every table by COPY from several sessions.
//!
//! Reading ([`read_database`]): a coordinating session locks all tables before its first query
//! takes a snapshot, so that no TRUNCATE can fall between the two; pg_dump tells the contents in
//! that snapshot; worker sessions read every table and large object that the contents name.
//! Loading ([`load_database`]): pg_restore makes what comes before the data, sessions load the
//! tables and compare the counts before they commit, pg_restore makes what comes after.
//! Adding ([`add_to_database`]): the same for a part, in one transaction of a database in use.
//!
//! What is stored of a database is a directory-format dump, file by file, as pg_dump would
//! write it without compression.
//!
//! Absent on purpose: which databases, under which names, and what happens when one fails.
//!
//! Start with [`read_database`].

mod add;
mod analyze;
mod contents;
mod coordinator;
mod large_objects;
mod load;
mod load_tables;
mod locked;
mod plan;
mod pool;
mod progress;
mod read;
mod read_tables;
mod store;
mod tool;

pub use add::{Addition, add_to_database};
pub use load::{LoadRequest, Loaded, load_database};
pub use read::{Previous, ReadDatabase, ReadFile, ReadRequest, read_database};
pub use store::{Store, Stored};
pub use tool::{run_to_end, succeeded};
