//! What the attacks are made on: a small database, a backup of it, and what must hold afterwards.

use super::{
    Stream,
    case::{Attack, attack},
};
use crate::{Plugin, Proxy, Server};
use std::sync::Arc;

/// Databases of a server on which nothing is unfinished or kept.
const USUAL: [&str; 4] = ["postgres", "shop", "template0", "template1"];

/// Rows and bytes of all that the shop holds, cheap to ask.
const CONTENT: &str = "SELECT count(*), sum(hashtext(orders::text)) FROM orders UNION ALL SELECT count(*), sum(hashtext(encode(data, 'hex'))) FROM pg_largeobject";

/// A server with the database `shop`, and a machine with its backup `good`.
///
/// The table `since` is younger than the backup: where it is, the old database serves.
pub struct Shop {
    /// The server.
    pub server: Server,
    /// The machine that holds `good`.
    pub plugin: Plugin,
    more: Vec<String>,
    content: String,
    tables: Vec<String>,
    log: usize,
}

impl Shop {
    /// Starts the server and makes the backup. `more` is added to every command line.
    pub fn open(more: &[&str]) -> Self {
        let (plugin, server) = (Plugin::new(), Server::start(17));
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql(
            "shop",
            "CREATE TABLE orders AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS what FROM generate_series(1, 30000) i;
             CREATE INDEX ON orders (what); SELECT lo_from_bytea(7, convert_to(repeat(md5('x'), 20000), 'UTF8'));",
        );
        let mut shop = Self {
            content: server.sql("shop", CONTENT),
            server,
            plugin,
            more: more.iter().map(|it| (*it).to_owned()).collect(),
            tables: Vec::new(),
            log: 0,
        };
        shop.plugin.must(&shop.create("good"));
        shop.tables = tables(&shop.plugin.manifest("good"));
        assert_eq!(shop.tables.len(), 1, "{:?}", shop.tables);
        shop.server.sql("shop", "CREATE TABLE since (i int)");
        shop.log = shop.server.log().len();
        shop
    }

    fn line<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        words.iter().copied().chain(self.more.iter().map(String::as_str)).collect()
    }

    /// The command line that makes a backup.
    pub fn create<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.line(&["create", &self.server.name, "-d", "shop", "--name", name])
    }

    /// The command line that restores `good` over the shop.
    pub fn restore(&self) -> Vec<&str> {
        self.line(&["restore", "good", "-d", "shop", "--yes"])
    }

    /// The command line that brings the old shop back.
    pub fn undo(&self) -> Vec<&str> {
        self.line(&["undo", &self.server.name, "--yes"])
    }

    /// Runs a command through a proxy that does no harm; returns what crossed its streams.
    pub fn traffic(&self, arguments: &[&str]) -> Vec<Arc<Stream>> {
        let attack = attack(&self.plugin, arguments, Proxy::start());
        assert_eq!(attack.outcome.status, Some(0), "{:?}", attack.outcome);
        attack.proxy.streams()
    }

    /// Whether the old database serves.
    pub fn old_serves(&self) -> bool {
        self.server.sql("shop", "SELECT to_regclass('since') IS NOT NULL").trim() == "t"
    }

    /// Panics if a backup that failed is listed, or one that did not is missing or different.
    pub fn assert_only_whole_backups(&self, plugin: &Plugin, name: &str, attack: &Attack, case: &str) {
        let outcome = &attack.outcome;
        assert!(matches!(outcome.status, Some(0 | 1 | 3)), "{case}: {outcome:?}");
        let listed = plugin.backups().contains(&name.to_owned());
        assert_eq!(listed, outcome.status == Some(0), "{case}: {outcome:?}");
        if listed {
            assert_eq!(tables(&plugin.manifest(name)), self.tables, "{case}: another content");
            plugin.must(&["verify", name]);
        }
        self.assert_nothing_is_left(case);
        attack.assert_the_stage_is_named(&self.server.name, case);
    }

    /// Panics unless the old or the new shop serves, as the outcome says; puts the old one back.
    ///
    /// `was_old` is which one served before. Returns whether an error left open what was done, or
    /// told that it was done all the same.
    pub fn assert_one_serves(&self, was_old: bool, attack: &Attack, case: &str) -> bool {
        let outcome = &attack.outcome;
        assert!(matches!(outcome.status, Some(0 | 1)), "{case}: {outcome:?}");
        attack.assert_the_stage_is_named(&self.server.name, case);
        let is_old = self.old_serves();
        let content = self.server.sql("shop", CONTENT);
        assert_eq!(content, self.content, "{case}: what serves is not whole: {outcome:?}");
        let changed = is_old != was_old;
        let said = &outcome.stderr;
        let told = said.contains("answer was lost")
            || said.contains("answer to its swap was lost")
            || said.contains("may have been done all the same");
        if outcome.status == Some(0) {
            assert!(changed, "{case}: a false success: {outcome:?}");
        } else {
            assert!(!changed || told, "{case}: replaced, and not told: {outcome:?}");
        }
        self.assert_nothing_is_left(case);
        if self.server.all_databases() != USUAL {
            let left = said.contains("left behind") || changed || !was_old;
            assert!(left, "{case}: databases are left and not told: {outcome:?}");
            self.put_back();
        }
        told && changed
    }

    /// Brings the old shop back, if it is away, and drops all that is kept.
    pub fn put_back(&self) {
        if !self.old_serves() {
            self.plugin.must(&self.undo());
        }
        self.plugin.must(&["undo", &self.server.name, "--discard", "--yes"]);
        assert_eq!(self.server.all_databases(), USUAL);
    }

    /// Panics if something of ours is in the container, or the server complained.
    pub fn assert_nothing_is_left(&self, case: &str) {
        assert_eq!(self.server.leftovers(), Vec::<String>::new(), "{case}");
        assert_eq!(self.server.complaints(self.log), Vec::<String>::new(), "{case}");
    }
}

/// What every table holds. The younger table does not count, nor do the contents' own numbers.
fn tables(manifest: &serde_json::Value) -> Vec<String> {
    let tables = manifest["databases"][0]["tables"].as_array().cloned().unwrap_or_default();
    let told = tables.iter().map(|table| {
        let part = |key: &str| table[key].to_string();
        format!("{} {} rows {} bytes {}", part("name"), part("rows"), part("bytes"), part("hash"))
    });
    told.filter(|table| !table.contains("since")).collect()
}
