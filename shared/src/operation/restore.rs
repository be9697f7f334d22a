//! `restore`: a backup becomes databases again.
//!
//! [`Restore::prepare`] finds out and changes nothing; [`Restore::apply`] loads every database
//! beside the one it replaces and proves it, and only when all are proven swaps them in. Until
//! then any failure takes back everything that was made.

use super::{
    Surroundings, backups, disk,
    headroom::Headroom,
    kept::{drop_database, unfinished_run},
    reading::lock_to_read,
    restore_locale,
    restore_part::{self, Part},
    restore_plan::RestorePlan,
    restore_prepare::{self, Chosen},
    restore_request::{RestoreOutcome, RestoreRequest, RestoredDatabase},
    server::{Reached, elsewhere, end_run, reach},
    swapping::{self, Swap},
    taking_back::{self, Made, SwapNames},
};
use crate::{
    catalog::{
        self,
        manifest::{DatabaseRecord, Manifest},
    },
    error::{Context as _, Error, Kind, Result},
    event::Event,
    method::logical::{Addition, LoadRequest, Loaded, Stored as _, add_to_database, load_database},
    mover::ServerSession,
    postgres::{
        Admission, BEGIN, COMMIT, DatabaseInfo, GlobalsPlan, Mark, MarkKind, Query, Statement,
        archive::read_directory_toc, create_database, swap,
    },
    repository::{Lock, Reader, Repository, StoredFile},
    target::Target,
};
use jiff::Timestamp;
use std::cell::RefCell;

/// A restore that has been planned and not yet carried out. The mover waits meanwhile.
pub struct Restore<'a> {
    at: Surroundings<'a>,
    target: Target,
    request: RestoreRequest,
    reached: Reached<'a>,
    reader: Reader,
    files: Vec<StoredFile>,
    manifest: Manifest,
    part: Option<Part>,
    placed: Vec<Placed>,
    databases: Vec<DatabaseInfo>,
    globals: GlobalsPlan,
    plan: RestorePlan,
    headroom: Headroom,
    began: Timestamp,
    _lock: Option<Lock>,
}

/// One database of the restore and its names on the server.
struct Placed {
    /// Its position in the manifest.
    index: usize,
    name: String,
    loaded_as: String,
    kept_as: String,
    replaced: Option<DatabaseInfo>,
    /// It is there, and a part is added to it.
    adds: bool,
}

impl<'a> Restore<'a> {
    /// Plans a restore of `backup` into `target`. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the backup or the server cannot be read, or the request names what is not there.
    /// What is in the way is no error here: it stands in the plan.
    pub fn prepare(
        at: &Surroundings<'a>,
        repository: &Repository,
        target: &Target,
        request: &RestoreRequest,
    ) -> Result<Self> {
        let began = at.clock.now();
        let lock = lock_to_read(repository, "restore", at.clock, at.observer)?;
        let reader = repository.reader()?;
        let all = catalog::list(repository)?;
        let backup = all.find(&request.backup)?;
        let mut manifest = catalog::read_manifest(&reader, backup)?;
        let files = reader.files(&backup.id)?;
        let contents_of = |record: &DatabaseRecord| {
            let toc = backups::Folder::of(&reader, &files, &record.folder).file("toc.dat");
            let contents = toc.and_then(|toc| read_directory_toc(&toc));
            contents.context(format!("read the contents of `{}`", record.name))
        };
        let narrowed = restore_part::narrow(&mut manifest, request, &contents_of)?;
        restore_prepare::choose(&manifest, request)?;

        let reached = reach(at, target, &request.mover)?;
        let mut session = reached.maintenance()?;
        let state = reached.state(&mut session)?;
        let locales = restore_locale::choose(&mut manifest, request, &state);
        let part = narrowed.map(|it| it.settle(&reached, &state, &mut manifest, request)).transpose()?;
        let chosen = restore_prepare::choose(&manifest, request)?
            .into_iter()
            .map(|record| {
                let of_part = part.as_ref().map(|part| Ok(part.contents.clone()));
                Ok((record, of_part.unwrap_or_else(|| contents_of(record))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let chosen = restore_prepare::place(&reached, &state, request, chosen);
        let (mut plan, globals) =
            restore_prepare::plan(&reached, &mut session, &state, &manifest, request, &chosen, &target.name)?;
        session.close()?;
        plan.remarks.extend(locales);
        if let Some(part) = &part {
            plan.obstacles.extend(part.obstacles.iter().cloned());
            plan.remarks.extend(part.remarks.iter().cloned());
            plan.part = Some(part.planned.clone());
        }
        let headroom = reached.headroom(request.jobs, plan.needed, &state.databases);
        plan.obstacles.extend(headroom.obstacles.iter().cloned());
        let placed = chosen.into_iter().map(|one| placed(&manifest, one)).collect();
        Ok(Self {
            at: *at,
            target: target.clone(),
            request: request.clone(),
            reader,
            files,
            part,
            placed,
            databases: state.databases,
            globals,
            plan,
            headroom,
            began,
            manifest,
            reached,
            _lock: lock,
        })
    }

    /// What it would do.
    pub fn plan(&self) -> &RestorePlan {
        &self.plan
    }

    /// Carries it out.
    ///
    /// # Errors
    ///
    /// If something is in the way, or anything fails while loading: nothing new is left then, and
    /// what was there serves on. [`Kind::Partial`] if a swap failed after another had been done.
    pub fn apply(self) -> Result<RestoreOutcome> {
        if let Some(error) = self.plan.refusal() {
            return Err(error);
        }
        self.headroom.tell(self.at.observer);
        let mut made = Made::default();
        let loaded = disk::guarded(&self.reached, || self.load_all(&mut made));
        let result = loaded.and_then(|loaded| Ok((self.swap_all(&mut made)?, loaded)));
        let what = format!("restore of `{}` into `{}` failed", self.manifest.name, self.target.name);
        match result {
            Ok((databases, loaded)) => {
                let sent = self.reached.mover.sent();
                let roles_created = self.globals.roles.clone();
                let roles_changed = self.globals.changed.clone();
                let seconds = self.at.clock.now().duration_since(self.began).as_secs_f64();
                // All is proven and swapped in: a goodbye that is lost takes nothing of it back.
                if let Err(error) = self.reached.mover.finish() {
                    self.at.observer.event(&Event::Warning { what: error.to_string() });
                }
                Ok(RestoreOutcome { databases, roles_created, roles_changed, loaded, sent, seconds })
            }
            Err(error) => {
                let error = if self.at.cancel.is_cancelled() { Error::cancelled() } else { error };
                let notes = self.take_back(&made);
                Err(notes.into_iter().fold(error.context(what), Error::note))
            }
        }
    }

    /// Makes roles and databases and loads them. Gives the bytes loaded.
    fn load_all(&self, made: &mut Made) -> Result<u64> {
        // It stays open for as long as the restore is at work: by it others see that the
        // unfinished databases are not left over.
        let names: Vec<&str> = self.placed.iter().map(|one| one.name.as_str()).collect();
        let place = elsewhere(&self.reached.server, &self.databases, &names)
            .unwrap_or_else(|_| self.reached.server.database.clone());
        let mut session = self.reached.session(&place)?;
        for leftover in self.databases.iter().filter(|database| unfinished_run(database).is_some()) {
            if self.plan.leftovers.iter().any(|planned| planned.name == leftover.name) {
                self.step(format!("drop `{}`, which an interrupted restore left", leftover.name));
                drop_database(&self.reached, &mut session, &leftover.name)?;
            }
        }
        self.make_globals(&mut session, made)?;
        let mut bytes = 0;
        for one in &self.placed {
            self.at.cancel.check()?;
            bytes += self.load(&mut session, one, made)?;
        }
        session.close()?;
        Ok(bytes)
    }

    fn make_globals(&self, session: &mut ServerSession<'_>, made: &mut Made) -> Result<()> {
        if self.globals.statements.is_empty() {
            return Ok(());
        }
        self.step("make the roles that are missing".to_owned());
        let stage = "make the roles that are missing";
        Query::query(session, BEGIN).context(stage)?;
        for statement in &self.globals.statements {
            let result = if statement.secret {
                Query::query_secret(session, &statement.sql)
            } else {
                Query::query(session, &statement.sql)
            };
            result.context(stage)?;
        }
        made.roles.clone_from(&self.globals.roles);
        Query::query(session, COMMIT).context(stage).map(|_| ())
    }

    fn load(&self, session: &mut ServerSession<'_>, one: &Placed, made: &mut Made) -> Result<u64> {
        let began = self.at.clock.now();
        let result = self.load_one(session, one, made);
        let loaded = result.as_ref().map(|loaded| loaded.bytes).unwrap_or_default();
        self.at.observer.event(&Event::DatabaseDone {
            database: one.name.clone(),
            error: result.as_ref().err().map(ToString::to_string),
            read: loaded,
            new: 0,
            seconds: self.at.clock.now().duration_since(began).as_secs_f64(),
        });
        result.map(|loaded| loaded.bytes).context(format!("restore database `{}`", one.name))
    }

    fn load_one(&self, session: &mut ServerSession<'_>, one: &Placed, made: &mut Made) -> Result<Loaded> {
        if one.adds {
            return self.add(one, made);
        }
        let record = self.record(one)?;
        let server = &self.reached.server;
        let create =
            create_database(&one.loaded_as, &record.properties, server.version(), Admission::SuperusersOnly)?;
        made.databases.push(one.loaded_as.clone());
        Query::query(session, &create).context("make the new database")?;
        let mark = self.mark(MarkKind::Unfinished, &one.name, record.properties.comment.clone());
        Query::query(session, &swap::mark_database(&one.loaded_as, &mark))
            .context("mark the new database")?;
        let folder = backups::Folder::of(&self.reader, &self.files, &record.folder);
        let loaded = load_database(&self.load_request(&one.loaded_as, one, record, &folder))?;
        // Settings and privileges come with the swap; that they can is found out before it.
        let rehearsal = swap::finish_statements(&one.loaded_as, &record.properties)?;
        swapping::rehearse(session, &rehearsal, &self.globals.changes)
            .context("try the database's settings and privileges")?;
        Ok(loaded)
    }

    /// Adds a part to a database that is there, in one transaction.
    fn add(&self, one: &Placed, made: &mut Made) -> Result<Loaded> {
        let (Some(part), record) = (&self.part, self.record(one)?) else {
            return Err(Error::failed("a whole database is never added to one that is there"));
        };
        let folder = backups::Folder::of(&self.reader, &self.files, &record.folder);
        let number = RefCell::new(None);
        let loaded = add_to_database(
            &self.load_request(&one.name, one, record, &folder),
            &Addition {
                content: part.content,
                order: &part.order,
                at_the_end: &self.globals.changes,
                committing: &|own| *number.borrow_mut() = Some(own.to_owned()),
            },
        );
        made.committing = number.into_inner().filter(|_| loaded.is_err());
        if loaded.is_ok() {
            // What has been committed is not taken back, whatever follows.
            made.swapped = true;
            made.roles.clear();
        }
        loaded
    }

    fn load_request<'b>(
        &'b self,
        database: &'b str,
        one: &'b Placed,
        record: &'b DatabaseRecord,
        stored: &'b backups::Folder<'b>,
    ) -> LoadRequest<'b, 'a> {
        LoadRequest {
            mover: &self.reached.mover,
            server: &self.reached.server,
            database,
            name: &one.name,
            record,
            part: self.part.as_ref().map(|part| &part.contents),
            stored,
            jobs: self.headroom.jobs,
            index_memory: self.headroom.index_memory,
            observer: self.at.observer,
            cancel: self.at.cancel,
        }
    }

    /// Swaps all databases in, one after the other.
    fn swap_all(&self, made: &mut Made) -> Result<Vec<RestoredDatabase>> {
        let mut restored = Vec::new();
        for one in &self.placed {
            let mut swap = || {
                // What was added was committed with its rows.
                if one.adds {
                    return Ok(());
                }
                self.at.cancel.check()?;
                made.at_stake = Some(one.name.clone());
                self.swap_in(one, if restored.is_empty() { &self.globals.changes } else { &[] })
            };
            if let Err(error) = swap() {
                if restored.is_empty() {
                    return Err(error);
                }
                made.roles.clear();
                let names: Vec<&str> =
                    restored.iter().map(|one: &RestoredDatabase| one.name.as_str()).collect();
                return Err(Error { kind: Kind::Partial, ..error }
                    .note(format!("restored and in service: {}", names.join(", "))));
            }
            made.databases.retain(|name| *name != one.loaded_as);
            made.swapped = true;
            made.at_stake = None;
            let record = self.record(one)?;
            restored.push(RestoredDatabase {
                name: one.name.clone(),
                tables: self.part.as_ref().map_or(record.tables.len() as u64, Part::tables),
                rows: record.tables.iter().map(|table| table.rows).sum(),
                kept_as: one.replaced.as_ref().map(|_| one.kept_as.clone()),
            });
        }
        if self.request.discard_old {
            self.discard_old(&mut restored)?;
        }
        Ok(restored)
    }

    /// Swaps one database in, with the changes of roles in the same transaction.
    fn swap_in(&self, one: &Placed, changes: &[Statement]) -> Result<()> {
        self.step(format!("swap `{}`", one.name));
        let record = self.record(one)?;
        let mut statements = Vec::new();
        let mut renamed = vec![one.loaded_as.as_str()];
        // Nobody but us and other superusers can be in the new one, and nobody has business there.
        let mut emptied = vec![one.loaded_as.as_str()];
        if let Some(replaced) = &one.replaced {
            let aside = swap::Aside {
                name: one.name.clone(),
                kept_as: one.kept_as.clone(),
                mark: self.mark(MarkKind::KeptByRestore, &one.name, replaced.properties.comment.clone()),
            };
            statements.extend(aside.statements());
            renamed.push(&one.name);
            if self.request.disconnect {
                emptied.push(&one.name);
            }
        }
        statements.extend(swap::install_statements(&one.loaded_as, &one.name, &record.properties)?);
        let swap = Swap { database: &one.name, changes, statements, renamed, emptied };
        swapping::swap(&self.reached, &self.databases, &swap)
    }

    /// Drops what was replaced. That it cannot is no reason to call the restore failed.
    fn discard_old(&self, restored: &mut [RestoredDatabase]) -> Result<()> {
        let names: Vec<&str> = self.placed.iter().map(|one| one.name.as_str()).collect();
        let place = elsewhere(&self.reached.server, &self.databases, &names)
            .unwrap_or_else(|_| self.reached.server.database.clone());
        let mut session = self.reached.session(&place)?;
        for one in restored.iter_mut() {
            let Some(kept) = one.kept_as.take() else { continue };
            if let Err(error) = drop_database(&self.reached, &mut session, &kept) {
                let what = format!("what `{}` was before is still kept as `{kept}`: {error}", one.name);
                self.at.observer.event(&Event::Warning { what });
                one.kept_as = Some(kept);
            }
        }
        session.close()
    }

    /// Takes back what a restore that failed has made; tells in what state the server is.
    fn take_back(self, made: &Made) -> Vec<String> {
        if made.is_nothing() {
            end_run(&self.at, &self.target, &self.request.mover, self.reached);
            return vec![taking_back::serving(made).to_owned()];
        }
        self.step("take back what was made".to_owned());
        let names = self.placed.into_iter().map(|one| SwapNames {
            name: one.name,
            loaded_as: one.loaded_as,
            kept_as: one.replaced.map(|_| one.kept_as),
        });
        let names = names.collect::<Vec<_>>();
        let run = self.reached.mover.run_id().to_owned();
        // The first mover may be the one that failed; a fresh one does not share its trouble. What
        // the first one says does not matter: what it leaves is looked for.
        let _ = self.reached.mover.finish();
        let mover = &self.request.mover;
        taking_back::take_back(&self.at, &self.target, mover, &run, &names, made)
    }

    fn record(&self, one: &Placed) -> Result<&DatabaseRecord> {
        self.manifest
            .databases
            .get(one.index)
            .ok_or_else(|| Error::failed(format!("database `{}` is not in the manifest", one.name)))
    }

    fn mark(&self, kind: MarkKind, database: &str, comment: Option<String>) -> Mark {
        Mark {
            kind,
            run: self.reached.mover.run_id().to_owned(),
            backup: self.manifest.name.clone(),
            time: self.at.clock.now(),
            database: database.to_owned(),
            comment,
        }
    }

    fn step(&self, what: String) {
        self.at.observer.event(&Event::Step { what });
    }
}

fn placed(manifest: &Manifest, one: Chosen<'_>) -> Placed {
    Placed {
        index: manifest
            .databases
            .iter()
            .position(|record| record.name == one.record.name)
            .unwrap_or(usize::MAX),
        name: one.name,
        loaded_as: one.loaded_as,
        kept_as: one.kept_as,
        replaced: one.replaced,
        adds: one.adds,
    }
}
