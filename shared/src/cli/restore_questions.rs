//! What a restore is asked for on a terminal when its backup was not named: whose, which, how
//! much of it, and where to.
//!
//! What the command line has said already is not asked. The answers become the arguments that
//! would have said the same, so that a command can be shown that needs no questions.

use super::{caller::Caller, choose::described, command::restore::RestoreArgs, host::Term};
use crate::{
    catalog::{self, Backup},
    error::{Error, Kind, Result},
    report::{age, plural, size},
    repository::Repository,
    target::{Runtime, Selection},
};

/// Somebody's way of naming a database that is meant as a copy.
const COPY: &str = "_copy";

impl Caller<'_> {
    /// The terminal on which a restore asks what was not said.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] where nobody can be asked.
    pub fn whom_to_ask(&self) -> Result<&Term> {
        self.asks().ok_or_else(|| {
            Error::new(Kind::Usage, format!("\"{} restore\" requires 1 argument", self.brand))
                .caused_by("which backup to restore was not said, and nobody can be asked here")
                .hint("see which there are with `pgbackup list`")
        })
    }

    /// Asks for what is missing.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`] when the user leaves.
    pub fn complete(
        &self,
        arguments: &RestoreArgs,
        terminal: &Term,
        repository: &Repository,
        runtime: &dyn Runtime,
    ) -> Result<RestoreArgs> {
        let backups = catalog::list(repository)?;
        if backups.there.is_empty() {
            backups.require_readable()?;
        }
        let backup = self.which_backup(terminal, &backups.there)?;
        let mut answers = RestoreArgs { backup: Some(backup.name().to_owned()), ..arguments.clone() };
        if answers.databases.is_empty() {
            self.how_much(terminal, backup, &mut answers)?;
        }
        if answers.to.is_none() && answers.attributes.selection(None).is_empty() {
            answers.to = Some(self.which_server(terminal, backup, runtime)?);
        }
        if answers.into.is_none() && answers.databases.len() == 1 && !answers.part.data_only {
            self.which_name(terminal, &mut answers)?;
        }
        Ok(answers)
    }

    /// The server first, where there are backups of several, then one of its backups, newest
    /// first.
    fn which_backup<'b>(&self, terminal: &Term, backups: &'b [Backup]) -> Result<&'b Backup> {
        let mut servers: Vec<&str> = Vec::new();
        for backup in backups.iter().rev() {
            if !servers.contains(&backup.record.target.as_str()) {
                servers.push(&backup.record.target);
            }
        }
        let now = self.clock.now();
        let of = |server: &str| -> Vec<&'b Backup> {
            backups.iter().rev().filter(|backup| backup.record.target == server).collect()
        };
        let server = match servers.as_slice() {
            [] => {
                return Err(
                    Error::failed("there is no backup to restore").hint("make one with `pgbackup create`")
                );
            }
            [one] => one,
            several => {
                let line = |server: &&str| {
                    let own = of(server);
                    let newest = own.first().map_or_else(String::new, |newest| age(newest.time, now));
                    format!("{server} ({}, the newest {newest})", plural(own.len() as u64, "backup"))
                };
                let lines: Vec<String> = several.iter().map(line).collect();
                let number = self.pick_one(terminal, "Whose backup?", &lines)?;
                several.get(number).ok_or_else(Error::cancelled)?
            }
        };
        let own = of(server);
        let lines: Vec<String> =
            own.iter().map(|backup| backup_line(backup, &age(backup.time, now))).collect();
        let number = self.pick_one(terminal, "Which backup?", &lines)?;
        own.get(number).copied().ok_or_else(Error::cancelled)
    }

    /// Everything, one database, or some tables of one.
    fn how_much(&self, terminal: &Term, backup: &Backup, answers: &mut RestoreArgs) -> Result<()> {
        let databases: Vec<_> =
            backup.record.databases.iter().filter(|database| database.name != "template1").collect();
        let is_part = answers.part.is_said();
        let mut lines: Vec<String> = Vec::new();
        let whole = databases.len() > 1 && !is_part;
        if whole {
            lines.push(format!("everything: {}", plural(databases.len() as u64, "database")));
        }
        for database in &databases {
            lines.push(format!(
                "database {} ({}, {}, {})",
                database.name,
                size(database.bytes),
                plural(database.tables, "table"),
                plural(database.rows, "row")
            ));
        }
        let number = match lines.len() {
            1 => 0,
            _ => self.pick_one(terminal, "How much of it?", &lines)?,
        };
        let first = usize::from(whole);
        if let Some(database) = number.checked_sub(first).and_then(|at| databases.get(at)) {
            answers.databases = vec![database.name.clone()];
        }
        Ok(())
    }

    /// The server that the backup is from, if it runs here, stands first.
    fn which_server(&self, terminal: &Term, backup: &Backup, runtime: &dyn Runtime) -> Result<String> {
        let mut servers = self.servers(runtime, &Selection::default())?;
        servers.sort_by_key(|server| server.name != backup.record.target);
        if let [one] = servers.as_slice()
            && one.name == backup.record.target
        {
            return Ok(one.name.clone());
        }
        let lines: Vec<String> = servers
            .iter()
            .map(|server| {
                let own = if server.name == backup.record.target { ", where it is from" } else { "" };
                format!("{}{own}", described(server))
            })
            .collect();
        let number = self.pick_one(terminal, "Into which server?", &lines)?;
        servers.get(number).map(|server| server.name.clone()).ok_or_else(Error::cancelled)
    }

    /// In the place of the database, or beside it.
    fn which_name(&self, terminal: &Term, answers: &mut RestoreArgs) -> Result<()> {
        let Some(name) = answers.databases.first().cloned() else { return Ok(()) };
        let own = if answers.part.is_said() {
            format!("into {name}: what it has stays as it is")
        } else {
            format!("as {name}: what is there now is kept for `undo`")
        };
        let lines = [own, "as a new database beside it".to_owned()];
        if self.pick_one(terminal, "Under which name?", &lines)? == 1 {
            let proposed = format!("{name}{COPY}");
            answers.into = Some(self.type_in(terminal, "Name of the new database", Some(&proposed))?);
        }
        Ok(())
    }
}

/// A backup in a list: name, age, size, what is in it.
fn backup_line(backup: &Backup, age: &str) -> String {
    let record = &backup.record;
    format!(
        "{}  {age}, {}, {}",
        record.name,
        size(record.total_bytes),
        plural(record.databases.len() as u64, "database")
    )
}

/// The command that asks nothing and does what these arguments say, but for what it had said.
pub(super) fn command_of(arguments: &RestoreArgs) -> String {
    let mut words = vec!["restore".to_owned()];
    words.extend(arguments.backup.as_deref().map(quoted));
    let mut option = |name: &str, value: &str| words.extend([name.to_owned(), quoted(value)]);
    for name in &arguments.databases {
        option("-d", name);
    }
    for name in &arguments.part.tables {
        option("-t", name);
    }
    for name in &arguments.part.schemas {
        option("-n", name);
    }
    if let Some(name) = &arguments.into {
        option("--into", name);
    }
    if let Some(name) = &arguments.to {
        option("--to", name);
    }
    if let Some(locale) = &arguments.locale {
        option("--locale", locale);
    }
    if let Some(jobs) = arguments.jobs {
        option("--jobs", &jobs.to_string());
    }
    if let Some(folder) = &arguments.mover.mover_dir {
        option("--mover-dir", folder);
    }
    words.extend(arguments.flags().into_iter().map(str::to_owned));
    words.push("--yes".to_owned());
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.:/@%+=,".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("shop_copy"), "shop_copy");
        assert_eq!(quoted("my shop"), "'my shop'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
