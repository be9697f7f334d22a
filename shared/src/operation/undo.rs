//! `undo`: what a restore replaced comes back, or goes for good.
//!
//! All that it needs is in the server: kept databases say in their comments what they were.

use super::{
    KeptDatabase, Obstacle, Surroundings,
    kept::{Activity, drop_database, kept, kept_name, unfinished_run},
    restore_plan::refusal,
    server::{Reached, elsewhere, reach},
    swapping::{self, Swap},
    taking_back::{self, SwapNames},
};
use crate::{
    error::{Context as _, Error, Kind, Result},
    event::Event,
    mover::{PlaceOptions, ServerSession},
    postgres::{DatabaseInfo, Mark, MarkKind, databases, swap},
    target::Target,
};
use serde::Serialize;

/// What is asked of an undo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoRequest {
    /// The databases, by the names they had; empty for all that the last restore replaced.
    pub databases: Vec<String>,
    /// Drop kept databases, and those that interrupted restores left, instead.
    pub discard: bool,
    /// End the sessions of what is swapped away.
    pub disconnect: bool,
    /// Whether there is to be a mover in the target, and where.
    pub mover: PlaceOptions,
}

/// What an undo would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UndoPlan {
    /// The target's name.
    pub target: String,
    /// Databases that will be swapped.
    pub swaps: Vec<SwapPlan>,
    /// Databases that will be dropped.
    pub drops: Vec<DiscardPlan>,
    /// What is in the way. An undo with an obstacle is refused.
    pub obstacles: Vec<Obstacle>,
}

/// One swap.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SwapPlan {
    /// The name that the kept database gets back.
    pub name: String,
    /// The kept database.
    pub kept: KeptDatabase,
    /// The name under which what is there now will be kept; none if nothing is there.
    pub current_kept_as: Option<String>,
    /// Sessions that are connected to what is there now.
    pub sessions: u64,
}

/// One drop.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DiscardPlan {
    /// What is dropped.
    pub kept: KeptDatabase,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UndoOutcome {
    /// Databases that are back under their names, with the name under which what was there
    /// before is kept now.
    pub swapped: Vec<(String, Option<String>)>,
    /// Databases that were dropped, by the names they had been kept under.
    pub dropped: Vec<String>,
    /// Bytes that became free.
    pub freed: u64,
}

impl UndoPlan {
    /// The error that refuses this plan, if something is in the way.
    pub fn refusal(&self) -> Option<Error> {
        refusal(&format!("undo in `{}` was refused", self.target), &self.obstacles)
    }
}

/// An undo that has been planned and not yet carried out. The mover waits meanwhile.
pub struct Undo<'a> {
    at: Surroundings<'a>,
    target: Target,
    request: UndoRequest,
    reached: Reached<'a>,
    databases: Vec<DatabaseInfo>,
    plan: UndoPlan,
}

impl<'a> Undo<'a> {
    /// Plans an undo in `target`. Changes nothing.
    ///
    /// # Errors
    ///
    /// When the server cannot be read, or keeps nothing of what is asked for.
    pub fn prepare(at: &Surroundings<'a>, target: &Target, request: &UndoRequest) -> Result<Self> {
        let reached = reach(at, target, &request.mover)?;
        let mut session = reached.maintenance()?;
        let databases = databases(&mut session, reached.server.version())?;
        let activity = Activity::read(&mut session)?;
        session.close()?;
        let mut plan = UndoPlan { target: target.name.clone(), ..UndoPlan::default() };
        if request.discard {
            plan_drops(&mut plan, request, &databases, &activity);
        } else {
            plan_swaps(&mut plan, request, &databases, &activity, reached.mover.run_id());
        }
        if plan.swaps.is_empty() && plan.drops.is_empty() {
            return Err(nothing(request, &databases, &target.name));
        }
        if reached.server.in_recovery {
            let what = "the server is a standby: it takes no changes".to_owned();
            plan.obstacles.push(Obstacle { what, hint: None });
        }
        Ok(Self { at: *at, target: target.clone(), request: request.clone(), reached, databases, plan })
    }

    /// What it would do.
    pub fn plan(&self) -> &UndoPlan {
        &self.plan
    }

    /// Carries it out, one database after the other.
    ///
    /// # Errors
    ///
    /// If something is in the way; [`Kind::Partial`] if it failed after something had been done.
    pub fn apply(self) -> Result<UndoOutcome> {
        if let Some(error) = self.plan.refusal() {
            return Err(error);
        }
        let mut outcome = UndoOutcome::default();
        let result = self.swap_all(&mut outcome).and_then(|()| self.drop_all(&mut outcome));
        if let Err(error) = result {
            let error = if self.at.cancel.is_cancelled() { Error::cancelled() } else { error };
            let done: Vec<&str> = outcome
                .swapped
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(outcome.dropped.iter().map(String::as_str))
                .collect();
            let error = error.context(format!("undo in `{}` failed", self.plan.target));
            let error = if done.is_empty() {
                error
            } else {
                let kind = if error.is_cancelled() { Kind::Cancelled } else { Kind::Partial };
                Error { kind, ..error }.note(format!("done before: {}", done.join(", ")))
            };
            return Err(error.note(self.rest(&outcome)));
        }
        // All is done and was answered: a goodbye that is lost takes nothing of it back.
        if let Err(error) = self.reached.mover.finish() {
            self.at.observer.event(&Event::Warning { what: error.to_string() });
        }
        Ok(outcome)
    }

    /// What has become of all that the outcome does not hold.
    fn rest(self, outcome: &UndoOutcome) -> String {
        let run = self.reached.mover.run_id().to_owned();
        let untouched = if outcome.swapped.is_empty() && outcome.dropped.is_empty() {
            "nothing was changed".to_owned()
        } else {
            "nothing else was changed".to_owned()
        };
        // What a mover has answered that can still say goodbye, it has answered rightly. Without one an
        // answer is lost with its own stream, and others go on.
        let is_beside = self.reached.mover.is_beside();
        if self.reached.mover.finish().is_ok() && is_beside {
            return untouched;
        }
        let is_open = |name: &String| !outcome.swapped.iter().any(|(swapped, _)| swapped == name);
        let swaps = self.plan.swaps.into_iter().filter(|planned| is_open(&planned.name));
        let swaps: Vec<SwapNames> = swaps
            .map(|planned| SwapNames {
                name: planned.name,
                loaded_as: planned.kept.name,
                kept_as: planned.current_kept_as,
            })
            .collect();
        let drops = self.plan.drops.into_iter().map(|planned| planned.kept.name);
        let drops: Vec<String> = drops.filter(|name| !outcome.dropped.contains(name)).collect();
        let mover = &self.request.mover;
        match taking_back::done_all_the_same(&self.at, &self.target, mover, &run, &swaps, &drops) {
            Ok(done) if done.is_empty() => untouched,
            Ok(done) => format!("done all the same, though the answer was lost: {}", done.join(", ")),
            Err(error) => {
                format!("the last step may have been done all the same; see `pgbackup targets` ({error})")
            }
        }
    }

    fn swap_all(&self, outcome: &mut UndoOutcome) -> Result<()> {
        for planned in &self.plan.swaps {
            self.at.cancel.check()?;
            let what = format!("bring `{}` back", planned.name);
            self.at.observer.event(&Event::Step { what });
            let mark = self
                .databases
                .iter()
                .find(|database| database.name == planned.kept.name)
                .and_then(|database| database.mark.as_ref())
                .ok_or_else(|| Error::failed(format!("`{}` is not kept any more", planned.kept.name)))?;
            self.swap_back(planned, mark)?;
            outcome.swapped.push((planned.name.clone(), planned.current_kept_as.clone()));
        }
        Ok(())
    }

    fn swap_back(&self, planned: &SwapPlan, mark: &Mark) -> Result<()> {
        let mut statements = Vec::new();
        let mut renamed = vec![planned.kept.name.as_str()];
        let mut emptied = Vec::new();
        let current = self.databases.iter().find(|database| database.name == planned.name);
        if let (Some(kept_as), Some(current)) = (&planned.current_kept_as, current) {
            let aside = swap::Aside {
                name: planned.name.clone(),
                kept_as: kept_as.clone(),
                mark: Mark {
                    kind: MarkKind::KeptByUndo,
                    run: self.reached.mover.run_id().to_owned(),
                    backup: mark.backup.clone(),
                    time: self.at.clock.now(),
                    database: planned.name.clone(),
                    comment: current.properties.comment.clone(),
                },
            };
            statements.extend(aside.statements());
            renamed.push(&planned.name);
            if self.request.disconnect {
                emptied.push(planned.name.as_str());
            }
        }
        statements.extend(swap::bring_back_statements(&planned.kept.name, mark));
        let swap = Swap { database: &planned.name, changes: &[], statements, renamed, emptied };
        swapping::swap(&self.reached, &self.databases, &swap)
    }

    fn drop_all(&self, outcome: &mut UndoOutcome) -> Result<()> {
        if self.plan.drops.is_empty() {
            return Ok(());
        }
        let place = elsewhere(&self.reached.server, &self.databases, &[])?;
        let mut session: ServerSession<'_> = self.reached.session(&place)?;
        for planned in &self.plan.drops {
            self.at.cancel.check()?;
            let name = &planned.kept.name;
            self.at.observer.event(&Event::Step { what: format!("drop `{name}`") });
            drop_database(&self.reached, &mut session, name).context(format!("discard `{name}`"))?;
            outcome.dropped.push(name.clone());
            outcome.freed += planned.kept.size;
        }
        session.close()
    }
}

/// The databases that can come back: marked as kept, newest first.
fn candidates(databases: &[DatabaseInfo]) -> Vec<(&DatabaseInfo, &Mark)> {
    let mut found: Vec<_> = databases
        .iter()
        .filter_map(|database| database.mark.as_ref().map(|mark| (database, mark)))
        .filter(|(_, mark)| mark.kind != MarkKind::Unfinished)
        .collect();
    found.sort_by_key(|(_, mark)| std::cmp::Reverse(mark.time));
    found
}

/// All that the newest run put aside, or of each named database the newest.
fn plan_swaps(
    plan: &mut UndoPlan,
    request: &UndoRequest,
    databases: &[DatabaseInfo],
    activity: &Activity,
    run: &str,
) {
    let all = candidates(databases);
    let chosen: Vec<_> = if request.databases.is_empty() {
        let last = all.first().map(|(_, mark)| mark.run.clone());
        all.into_iter().filter(|(_, mark)| Some(&mark.run) == last.as_ref()).collect()
    } else {
        request
            .databases
            .iter()
            .filter_map(|name| all.iter().find(|(_, mark)| mark.database == *name).copied())
            .collect()
    };
    for (number, (database, mark)) in chosen.into_iter().enumerate() {
        let Some(kept) = kept(database) else { continue };
        let there = databases.iter().any(|current| current.name == mark.database);
        if there {
            plan.obstacles.extend(activity.in_the_way(&mark.database, run, request.disconnect));
        }
        plan.swaps.push(SwapPlan {
            name: mark.database.clone(),
            kept,
            current_kept_as: there.then(|| kept_name(run, number)),
            sessions: activity.sessions_in(&mark.database, run),
        });
    }
}

/// All kept and unfinished databases, or those that have been, or were to be, the named ones.
/// What a restore that is at work loads is not among them.
fn plan_drops(plan: &mut UndoPlan, request: &UndoRequest, databases: &[DatabaseInfo], activity: &Activity) {
    for database in databases {
        let Some(kept) = kept(database) else { continue };
        let meant = request.databases.is_empty()
            || request.databases.contains(&kept.database)
            || request.databases.contains(&kept.name);
        let at_work = unfinished_run(database).is_some_and(|run| activity.is_at_work(run));
        if meant && !at_work {
            plan.drops.push(DiscardPlan { kept });
        }
    }
}

fn nothing(request: &UndoRequest, databases: &[DatabaseInfo], target: &str) -> Error {
    let kept: Vec<String> = databases
        .iter()
        .filter_map(kept)
        .map(|kept| format!("`{}` (was `{}`)", kept.name, kept.database))
        .collect();
    let what = if request.databases.is_empty() {
        format!("there is nothing to undo in `{target}`")
    } else {
        format!("nothing is kept of {} in `{target}`", request.databases.join(", "))
    };
    let error = Error::failed(what);
    if kept.is_empty() {
        return error.caused_by("the server keeps no databases that a restore replaced");
    }
    error.caused_by(format!("the server keeps {}", kept.join(", ")))
}
