//! What a PostgreSQL server is: how to reach it, what is in it, what its tools write.
//!
//! In go sessions of the mover (through [`Query`]) and archives of `pg_dump`; out come facts
//! ([`Server`], [`DatabaseInfo`], globals) and statements that make the same again on a server
//! of the same or a newer version. This is the only room with SQL and `pg_*` command lines.
//! PostgreSQL 13 to 18 are known.
//!
//! Absent on purpose: this room moves no table's rows and decides nothing about backups; that
//! is the method's and the operations' work.
//!
//! Start with [`probe`], then [`databases`], then [`archive`].

pub mod archive;
pub mod locks;
pub mod present;
pub mod relation_name;
pub mod restore_sql;
pub mod swap;
pub mod tables;

mod acl;
mod activity;
mod database_sql;
mod databases;
mod extensions;
mod freeze;
mod globals;
mod globals_script;
mod globals_sql;
mod locale_choice;
mod mark;
mod probe;
mod query;
mod quote;
mod reach;
mod role_changes;
mod session;
mod setting;
mod size;
mod version;
mod wal;
mod words;

pub use acl::{AclItem, AclObject, Privilege, acl_statements};
pub use activity::{
    ConnectedSession, LogicalSlot, PreparedTransaction, Subscription, connected_sessions, logical_slots,
    prepared_transactions, subscriptions,
};
pub use database_sql::{Admission, create_database, finish_database};
pub use databases::{DatabaseInfo, databases};
pub use extensions::{
    available_extensions, collation_of_database_exists, installed_extensions, role_names, tablespace_names,
};
pub use freeze::Freezable;
pub use globals::globals;
pub use globals_script::globals_script;
pub use globals_sql::{GlobalsPlan, Statement, plan_globals};
pub use locale_choice::{LocaleChoice, locale_words};
pub use mark::{Mark, MarkKind};
pub use pgbackup_wire::text as server_text;
pub use probe::{Door, Server, probe};
pub use query::{Query, Row, Table};
pub use quote::{conninfo, identifier, literal};
pub use reach::ProbeOptions;
pub use role_changes::RolePolicy;
pub use setting::alter_setting;
pub use version::{Version, check_version};
pub use wal::recycled_wal;
pub use words::{BEGIN, COMMIT, PG_DUMP, PG_DUMPALL, PG_RESTORE, ROLLBACK, lock_was_in_the_way};
