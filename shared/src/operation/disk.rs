//! Room on the server's disks: counted before a restore, and watched while it loads.
//!
//! A server that cannot write its data gives an error; one that cannot write its log stops, and
//! every database with it. So a restore is refused where data and log may not fit, and ended
//! when somebody else has taken what was there.

use super::{Obstacle, RestorePlan, server::Reached};
use crate::{
    error::{Error, Result},
    mover::ServerSession,
    postgres::recycled_wal,
};
use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// The folder of the log in the data folder; it may be a link to another disk.
const LOG: &str = "pg_wal";

/// What a restore leaves free, so that the server can go on writing: three segments of its log.
const RESERVE: u64 = 48 << 20;

/// Time between two looks at what is free; without a mover a look is an exec.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
const BETWEEN_LOOKS_BY_EXEC: Duration = Duration::from_secs(5);

/// A standby writes no log of its own, and a restore into one is refused anyway.
pub(super) fn plan(
    plan: &mut RestorePlan,
    reached: &Reached<'_>,
    session: &mut ServerSession<'_>,
) -> Result<()> {
    let Some(folder) = &reached.server.data_directory else { return Ok(()) };
    let found = reached.mover.space(&[folder.clone(), format!("{folder}/{LOG}")])?;
    let [Some(data), log] = found[..] else { return Ok(()) };
    let log = log.unwrap_or(data);
    plan.free = Some(data.free);
    let recycled = if reached.server.in_recovery { 0 } else { recycled_wal(session).unwrap_or_default() };
    let most = reached.server.size_setting("max_wal_size").unwrap_or(1 << 30);
    let needed_log = log_of(plan.needed, most).saturating_sub(recycled);
    let freed: u64 = plan.leftovers.iter().map(|leftover| leftover.size).sum();
    let (needed_data, of_log) = if log.device == data.device { (needed_log, None) } else { (0, Some(log)) };
    let needed_data = plan.needed + needed_data + RESERVE;
    if data.free + freed < needed_data {
        plan.obstacles.push(too_little(data.free, needed_data, "its data"));
    }
    if let Some(log) = of_log.filter(|log| log.free < needed_log + RESERVE) {
        plan.obstacles.push(too_little(log.free, needed_log + RESERVE, "its log"));
    }
    Ok(())
}

/// What loading so many bytes writes into the log before it is cut back: rows, indexes and whole
/// pages, about as much as the data; not much more than it may hold.
fn log_of(bytes: u64, most: u64) -> u64 {
    (bytes + bytes / 4).min(most + most / 4)
}

fn too_little(free: u64, needed: u64, what: &str) -> Obstacle {
    Obstacle {
        what: format!(
            "{} MB are free where the server keeps {what}, and {} MB are needed, with what it writes \
             into its log and {} MB that stay free",
            free / 1_000_000,
            needed.div_ceil(1_000_000),
            RESERVE / 1_000_000
        ),
        hint: Some(
            "make room, drop kept databases with `pgbackup undo --discard`, or restore fewer with `-d`"
                .into(),
        ),
    }
}

/// Does the work, and ends it when the server's disk is nearly full.
pub(super) fn guarded<T>(reached: &Reached<'_>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some(folder) = &reached.server.data_directory else { return work() };
    let folders = [folder.clone(), format!("{folder}/{LOG}")];
    let pause = if reached.mover.is_beside() { BETWEEN_LOOKS } else { BETWEEN_LOOKS_BY_EXEC };
    thread::scope(|scope| {
        let (done, is_done) = channel::<()>();
        let watch = scope.spawn(move || {
            while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                // A mover that does not answer has failed all others too.
                let Ok(found) = reached.mover.space(&folders) else { return None };
                let least = found.iter().flatten().map(|space| space.free).min();
                if let Some(least) = least.filter(|least| *least < RESERVE / 2) {
                    let error = nearly_full(least);
                    reached.mover.abandon(error.clone());
                    return Some(error);
                }
            }
            None
        });
        let result = work();
        drop(done);
        match watch.join() {
            Ok(Some(error)) => result.map_err(|_| error),
            _ => result,
        }
    })
}

/// Less than half of the reserve is left, and so a segment of the log or two.
fn nearly_full(left: u64) -> Error {
    Error::failed("disk of the server is nearly full")
        .caused_by(format!("{} MB are left, and a server that cannot write its log stops", left / 1_000_000))
        .hint("make room in the container, then restore again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_takes_as_much_as_the_data_until_it_is_cut_back() {
        assert_eq!(log_of(40 << 20, 1 << 30), 50 << 20);
        assert_eq!(log_of(40 << 30, 1 << 30), (1 << 30) + (1 << 28));
    }
}
