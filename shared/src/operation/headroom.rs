//! What a container leaves free for a run: how many sessions may work in it, or why none may.
//!
//! A container that is full ends somebody, and a server one of whose processes is killed ends
//! all its sessions. So memory, processes and connections are counted before the work begins:
//! it is done with fewer sessions and smaller buffers, or refused.

use super::{Obstacle, server::Reached};
use crate::{
    event::{Event, Observer},
    postgres::DatabaseInfo,
};

/// Sessions at once where nobody said how many: as many as the server has processors, between
/// these two.
const USUAL_JOBS: std::ops::RangeInclusive<u32> = 2..=4;

/// Memory of the mover, one of the server's tools and the sessions that move no rows (measured
/// on 17 with a small schema: 9 MB for a backup, 10 MB for a restore).
const MEMORY: u64 = 12 << 20;

/// Memory of each session that moves rows, on both its ends (measured: 4 to 5 MB).
const MEMORY_PER_JOB: u64 = 6 << 20;

/// The least that building an index may take. The server itself takes no less.
const LEAST_INDEX_MEMORY: u64 = 1 << 20;

/// Threads and processes of the same (measured: 8 and 2), and what is left to others.
const PROCESSES: u64 = 10;
const PROCESSES_PER_JOB: u64 = 2;
const PROCESSES_OF_OTHERS: u64 = 4;

/// Connections beside those that move rows: the one that holds everything together, and the
/// one of a tool of the server's.
const CONNECTIONS: u32 = 2;

/// What there is for a run; none where there is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Means {
    cpus: u32,
    /// Connections that nobody has, and how many of them are for superusers only.
    connections: Option<(u32, u32)>,
    /// Bytes, and the limit that they are the rest of.
    memory: Option<(u64, u64)>,
    /// What the server may still claim by itself while it reads or writes.
    server_memory: u64,
    processes: Option<(u64, u64)>,
    /// What building one index may take, as the server is set.
    index_memory: Option<u64>,
}

/// What a run may take.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Headroom {
    /// Sessions that move rows.
    pub jobs: u32,
    /// Bytes for building one index, where that is less than the server would take.
    pub index_memory: Option<u64>,
    /// Why not even one session may.
    pub obstacles: Vec<Obstacle>,
    /// What there is too little of for as many sessions as were wanted.
    scarce: Option<&'static str>,
    wanted: u32,
}

impl Reached<'_> {
    /// Counts what is free. `asked` is the number of sessions that somebody asked for, `bytes`
    /// the size of the databases that are read or written.
    pub fn headroom(&self, asked: Option<u32>, bytes: u64, databases: &[DatabaseInfo]) -> Headroom {
        let (server, environment) = (&self.server, &self.environment);
        let connections = server.number_setting("max_connections").map(|most| {
            let used: u32 = databases.iter().map(|database| database.sessions).sum();
            let free = u32::try_from(most).unwrap_or(u32::MAX).saturating_sub(used);
            let reserved = server.number_setting("superuser_reserved_connections").unwrap_or(3);
            (free, u32::try_from(reserved).unwrap_or(u32::MAX))
        });
        let connections = match connections {
            Some((free, reserved)) if !server.superuser => Some((free.saturating_sub(reserved), 0)),
            known => known,
        };
        let rest = |limit: Option<u64>, used: Option<u64>| Some((limit?.saturating_sub(used?), limit?));
        // Pages that are read stay in the server's buffers, which it claims as it fills them.
        let buffers = server.size_setting("shared_buffers").unwrap_or(0);
        headroom(
            &Means {
                cpus: environment.cpus,
                connections,
                memory: rest(environment.memory_limit, environment.memory_used),
                server_memory: buffers.saturating_sub(environment.memory_shared.unwrap_or(0)).min(bytes),
                processes: rest(environment.processes_limit, environment.processes_used),
                index_memory: server.size_setting("maintenance_work_mem"),
            },
            asked,
        )
    }
}

impl Headroom {
    /// Says that there are fewer sessions than wanted, and why.
    pub fn tell(&self, observer: &dyn Observer) {
        let Some(scarce) = self.scarce.filter(|_| self.obstacles.is_empty()) else { return };
        let what =
            format!("{} of {} sessions: the container has no {scarce} for more", self.jobs, self.wanted);
        observer.event(&Event::Step { what });
    }
}

fn headroom(means: &Means, asked: Option<u32>) -> Headroom {
    let wanted = asked.map_or(means.cpus.clamp(*USUAL_JOBS.start(), *USUAL_JOBS.end()), |asked| asked.max(1));
    let mut found = Headroom { jobs: wanted, wanted, ..Headroom::default() };
    if let Some((free, reserved)) = means.connections {
        if free <= CONNECTIONS {
            found.obstacles.push(Obstacle {
                what: format!(
                    "{} connections are needed, and {free} of the server's are free",
                    CONNECTIONS + 1
                ),
                hint: Some("end sessions that are idle, or raise `max_connections`".into()),
            });
        }
        // One that is asked for may be the superusers' own; more are left to them.
        let jobs = free.saturating_sub(reserved + CONNECTIONS);
        found.at_most(u64::from(jobs), "connections");
    }
    if let Some((left, limit)) = means.memory {
        let free = left.saturating_sub(means.server_memory);
        let needed = MEMORY + MEMORY_PER_JOB;
        if free < needed {
            let missing = megabytes((needed + means.server_memory).saturating_sub(left));
            found.obstacles.push(Obstacle {
                what: format!(
                    "{} MB of memory are needed, and {} MB are left of the container's {} MB{}",
                    megabytes(needed),
                    free / 1_000_000,
                    limit / 1_000_000,
                    match means.server_memory {
                        0 => String::new(),
                        more => format!(
                            " when the server has filled its buffers with {} MB more",
                            megabytes(more)
                        ),
                    }
                ),
                hint: Some(match means.server_memory {
                    0 => format!("raise the container's memory by {missing} MB"),
                    _ => format!(
                        "raise the container's memory by {missing} MB, or lower `shared_buffers` to a quarter \
                         of it"
                    ),
                }),
            });
        }
        found.at_most(free.saturating_sub(MEMORY) / MEMORY_PER_JOB, "memory");
        let jobs = u64::from(found.jobs);
        let each = free.saturating_sub(MEMORY + jobs * MEMORY_PER_JOB) / jobs;
        let each = each.max(LEAST_INDEX_MEMORY);
        found.index_memory = means.index_memory.filter(|usual| each < *usual).map(|_| each);
    }
    if let Some((free, limit)) = means.processes {
        let needed = PROCESSES + PROCESSES_PER_JOB + PROCESSES_OF_OTHERS;
        if free < needed {
            found.obstacles.push(Obstacle {
                what: format!(
                    "{needed} processes are needed, and {free} of the container's {limit} are free"
                ),
                hint: Some(format!("raise the container's limit of processes to {}", limit + needed - free)),
            });
        }
        let room = free.saturating_sub(PROCESSES + PROCESSES_OF_OTHERS);
        found.at_most(room / PROCESSES_PER_JOB, "processes");
    }
    found
}

impl Headroom {
    fn at_most(&mut self, jobs: u64, scarce: &'static str) {
        let jobs = u32::try_from(jobs).unwrap_or(u32::MAX).max(1);
        if jobs < self.jobs {
            self.jobs = jobs;
            self.scarce = Some(scarce);
        }
    }
}

/// Rounded up, because it is what somebody has to give.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Means = Means {
        cpus: 8,
        connections: Some((90, 3)),
        memory: None,
        server_memory: 0,
        processes: None,
        index_memory: Some(64 << 20),
    };

    #[test]
    fn where_nothing_is_scarce_the_processors_decide() {
        let found = headroom(&ROOMY, None);
        assert_eq!((found.jobs, found.index_memory, found.scarce), (4, None, None));
        assert!(found.obstacles.is_empty());
        assert_eq!(headroom(&Means { cpus: 1, ..ROOMY }, None).jobs, 2);
        assert_eq!(headroom(&ROOMY, Some(9)).jobs, 9);
    }

    #[test]
    fn little_memory_means_fewer_sessions_and_smaller_buffers() {
        let found = headroom(&Means { memory: Some((25 << 20, 64 << 20)), ..ROOMY }, Some(9));
        assert_eq!((found.jobs, found.scarce), (2, Some("memory")));
        assert_eq!(found.index_memory, Some(LEAST_INDEX_MEMORY));
        assert!(found.obstacles.is_empty());
    }

    #[test]
    fn a_container_without_memory_for_one_session_is_refused_with_what_is_needed() {
        let means = Means { memory: Some((30 << 20, 64 << 20)), server_memory: 20 << 20, ..ROOMY };
        let found = headroom(&means, None);
        let obstacle = found.obstacles.first().unwrap();
        assert_eq!(
            obstacle.what,
            "19 MB of memory are needed, and 10 MB are left of the container's 67 MB when the server has \
             filled its buffers with 21 MB more"
        );
        assert!(obstacle.hint.as_deref().unwrap().contains("by 9 MB"), "{obstacle:?}");
    }

    #[test]
    fn the_last_connections_are_enough_for_one_session() {
        let found = headroom(&Means { connections: Some((3, 3)), ..ROOMY }, None);
        assert_eq!((found.jobs, found.obstacles.len()), (1, 0));
        let found = headroom(&Means { connections: Some((2, 3)), ..ROOMY }, None);
        assert_eq!(found.obstacles.len(), 1);
    }

    #[test]
    fn few_processes_mean_fewer_sessions_or_none() {
        let found = headroom(&Means { processes: Some((18, 32)), ..ROOMY }, None);
        assert_eq!((found.jobs, found.scarce), (2, Some("processes")));
        let found = headroom(&Means { processes: Some((15, 32)), ..ROOMY }, None);
        let obstacle = found.obstacles.first().unwrap();
        assert_eq!(obstacle.what, "16 processes are needed, and 15 of the container's 32 are free");
    }
}
